"""A server that speaks DynamoDB's protocol (moto's), one for all tests of a process."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest

from dataops_defs.flows.platform import Platform
from dataops_defs.services.embedded import free_port
from dataops_defs.settings import Settings
from tests.scenes import World
from tests.shares import answers, running


@pytest.fixture(scope="session")
def dynamodb_server() -> Iterator[str]:
    """Its address."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    with running(command, answers(port)):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def dynamodb(dynamodb_server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of it; what the platform opens goes there too."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("DATAOPS_DYNAMODB_ENDPOINT", dynamodb_server)
    return boto3.client("dynamodb", endpoint_url=dynamodb_server, region_name="us-east-1")


@pytest.fixture
def table_name() -> str:
    """A table that no other test has."""
    return f"planes-{uuid4().hex[:12]}"


@pytest.fixture
def cloud(world: World, settings: Settings, dynamodb: Any, dynamodb_server: str) -> World:
    """A platform whose object types may live in DynamoDB."""
    changed = settings.model_copy(update={"dynamodb_endpoint": dynamodb_server})
    return World(Platform(changed), world.files)
