"""Words for mounts: a file server that can be stopped and started again at its port, and requests in a few words."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from dataops_defs.services.embedded import free_port
from tests import shares

STORAGE = "/api/v1/mvp/storage"
PREVIEW = "/api/v1/mvp/preview"


class FileServer:
    """WebDAV of a folder; as a server of files it can go away and come back."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._running: AbstractContextManager[shares.Share] | None = None

    @property
    def mount(self) -> dict[str, Any]:
        """The request that mounts it."""
        return {
            "local_path": "/mnt/network_share",
            "network_path": f"webdav://127.0.0.1:{self.port}/",
            "credentials": {"username": shares.USER, "password": shares.PASSWORD},
        }

    def start(self) -> None:
        self._running = shares.rclone("webdav", self.folder, port=self.port)
        self._running.__enter__()

    def stop(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.__exit__(None, None, None)

    def put(self, name: str, text: str | bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)


@contextmanager
def file_server(folder: Path) -> Iterator[FileServer]:
    server = FileServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def mounted(client: TestClient, wanted: dict[str, Any]) -> Any:
    """The answer of a mount that must have succeeded."""
    reply = client.post(f"{STORAGE}/mount", json=wanted)
    assert reply.status_code == 200, reply.text
    return reply.json()


def mounts(client: TestClient) -> Any:
    return client.get(f"{STORAGE}/mounts").json()["mounts"]


def refused(client: TestClient, path: str, body: Any, status: int = 422) -> dict[str, str]:
    """What was refused, by field."""
    reply = client.post(path, json=body)
    assert reply.status_code == status, reply.text
    told = reply.json()
    return {each["field"]: each["message"] for each in told.get("errors", [])} or {"detail": told["detail"]}
