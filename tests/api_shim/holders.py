"""Requests by holders of other tokens."""

from fastapi import FastAPI
from fastapi.testclient import TestClient

from tests.api_shim.conftest import Api


def holder(api: Api, app: FastAPI, name: str, role: str) -> Api:
    """The same words, said by whoever holds a new token of that name and role."""
    token = api.post("/tokens", {"name": name, "role": role})["token"]
    return Api(TestClient(app, headers={"X-API-Key": token}, raise_server_exceptions=False), api.files)
