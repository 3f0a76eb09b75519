"""The demo speaks to the platform as any client would: over REST, with a token."""

import time
from collections.abc import Callable
from typing import Any

import httpx

from dataops_defs.errors import Conflict, DataOpsError

PREFIX = "/api/v1/dataops"
POLL_SECONDS = 0.5


class Client:
    """A small REST client; an answer that is no success ends the demo with what it says."""

    def __init__(self, base_url: str, token: str) -> None:
        self._http = httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {token}"}, timeout=60)

    def send(self, method: str, path: str, body: dict[str, Any] | None = None, *, wait: bool = True) -> Any:
        """One request; the JSON of its answer. Without ``wait`` work that takes long is only begun."""
        headers = {} if wait else {"Prefer": "respond-async"}
        answer = self._http.request(method, path, json=body, headers=headers)
        if answer.is_success:
            return answer.json() if answer.content else None
        text = answer.json().get("detail", answer.text) if answer.content else answer.reason_phrase
        raise (Conflict if answer.status_code == 409 else DataOpsError)(f"{method} {path}: {text}")

    def ensure(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """Make a definition, or bring the one of that name to what the body says."""
        try:
            made: dict[str, Any] = self.send("POST", f"{PREFIX}/{kind}", body)
        except Conflict:
            found = next(
                each for each in self.send("GET", f"{PREFIX}/{kind}?limit=500") if each["name"] == body["name"]
            )
            name = found["name"] if kind == "object-types" else found["id"]
            fixed = ("name", "app", "type", "keyField", "sourceId", "datasetId", "objectType")
            changes = {key: value for key, value in body.items() if key not in fixed}
            made = self.send("PATCH", f"{PREFIX}/{kind}/{name}", changes)
        return made

    def execution(self, id: str, watch: Callable[[dict[str, Any]], None], seconds: float = 600) -> dict[str, Any]:
        """Wait for an execution to end; ``watch`` sees it each time it is looked at."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found: dict[str, Any] = self.send("GET", f"{PREFIX}/executions/{id}")
            watch(found)
            if found["status"] in ("completed", "failed", "cancelled"):
                return found
            time.sleep(POLL_SECONDS)
        raise DataOpsError(f"Execution {id} did not end within {seconds:.0f} s")
