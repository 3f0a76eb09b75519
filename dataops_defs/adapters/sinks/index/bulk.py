"""Documents into an index by bulk requests: what the server was too busy for is sent again, and nothing else.

Source: SAFETY design, section 2, point 2, and fault 41; Elasticsearch reference, "Bulk API".
"""

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dataops_defs.adapters.sinks.index.client import TOO_LARGE, TOO_MANY, disk_full, refusals, refused, said
from dataops_defs.adapters.sinks.index.documents import Document
from dataops_defs.errors import DependencyUnavailable, StaleWorker

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

MAX_REQUEST_BYTES = 5_000_000
WAIT_SECONDS = (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 8.0)
ROW_BITS = 36

Item = Mapping[str, Any]


@dataclass
class Outcome:
    """What became of documents; ``passed`` gave way to a later row with the same id. ``refused``: reasons by row."""

    created: int = 0
    updated: int = 0
    passed: int = 0
    refused: dict[int, str] = field(default_factory=dict)


def version_of(turn: int, number: int) -> int:
    """The external version of a row's document: a later worker is above an earlier one, then a later row.

    Room for 2^36 rows in a load and 2^27 turns (a version has 63 bits).
    """
    return (turn << ROW_BITS) + number


class BulkWriter:
    """Writes documents through an alias, so that a request that comes late never makes an index of its own.

    Args:
        turn: this worker's; documents of a later one are not overwritten.
    """

    def __init__(self, client: "Elasticsearch", alias: str, turn: int) -> None:
        self._client = client
        self._alias = alias
        self._turn = turn

    def write(self, documents: Sequence[Document]) -> Outcome:
        """Write them; of several with one id the last that the server takes remains.

        Raises:
            StaleWorker: a later worker has written some of them.
            DependencyUnavailable: the server did not answer, or stayed too busy for half a minute.
        """
        outcome = Outcome()
        waiting: dict[str, list[Document]] = defaultdict(list)
        for each in documents:
            waiting[each.id].append(each)
        waits = iter(WAIT_SECONDS)
        while waiting:
            busy = self._round(waiting, outcome)
            if busy is not None:
                wait = next(waits, None)
                if wait is None:
                    raise DependencyUnavailable(f"Elasticsearch stays too busy: {len(waiting)} rows wait ({busy})")
                time.sleep(wait)
        return outcome

    def _round(self, waiting: dict[str, list[Document]], outcome: Outcome) -> str | None:
        """Send the last document of each id and strike out what is settled; why some are not, where they are not."""
        busy: str | None = None
        conflicts: list[str] = []
        for document, item in self._answers([each[-1] for each in waiting.values()]):
            status, (kind, reason) = int(item["status"]), said(item)
            if status < 300:
                outcome.created += item["result"] == "created"
                outcome.updated += item["result"] != "created"
                outcome.passed += len(waiting.pop(document.id)) - 1
            elif status == 409:
                conflicts.append(document.id)
            elif (status == TOO_MANY or status >= 500) and not disk_full(kind, reason):
                busy = f"{status} {reason}"
            elif status in (TOO_MANY, 401, 403, 404):
                raise refused(status, kind, reason)
            else:
                outcome.refused[document.number] = reason
                waiting[document.id].pop()
                if not waiting[document.id]:
                    del waiting[document.id]
        superseded = self._superseded(conflicts)
        for id in superseded:
            outcome.passed += len(waiting.pop(id))
        # A document that was deleted keeps its version for a minute.
        return busy if len(superseded) == len(conflicts) else "documents were deleted meanwhile"

    def _superseded(self, ids: Sequence[str]) -> list[str]:
        """Those of the ids under which a later row of this worker's own stands.

        Requests that were given up for lost may still arrive. Of the others nothing is left; they are sent again.
        """
        if not ids:
            return []
        with refusals():
            found = self._client.mget(index=self._alias, ids=list(ids), source=False)["docs"]
        versions = {each["_id"]: int(each["_version"]) for each in found if each.get("found")}
        if any(version >> ROW_BITS > self._turn for version in versions.values()):
            raise StaleWorker("Another worker continues this load; this one writes nothing any more")
        return list(versions)

    def _answers(self, documents: Sequence[Document]) -> Iterator[tuple[Document, Item]]:
        part: list[tuple[Document, bytes]] = []
        size = 0
        for each in documents:
            lines = self._lines(each)
            if part and size + len(lines) > MAX_REQUEST_BYTES:
                yield from self._request(part)
                part, size = [], 0
            part.append((each, lines))
            size += len(lines)
        if part:
            yield from self._request(part)

    def _lines(self, document: Document) -> bytes:
        version = version_of(self._turn, document.number)
        action = {"index": {"_id": document.id, "version": version, "version_type": "external_gte"}}
        return f"{json.dumps(action)}\n{document.source}\n".encode()

    def _request(self, part: Sequence[tuple[Document, bytes]]) -> Iterator[tuple[Document, Item]]:
        """One request; in halves where the server finds it too large, as if item by item where it is overloaded."""
        from elasticsearch import ApiError

        with refusals():
            try:
                answer = self._client.bulk(
                    index=self._alias,
                    operations=[lines for _, lines in part],  # type: ignore[misc]  # JSON text, as its own helpers send it
                    require_alias=True,
                ).body
            except ApiError as error:
                if error.status_code not in (TOO_LARGE, TOO_MANY):
                    raise
                answer = {"status": error.status_code, "error": {"reason": said(error.body)[1] or "refused as a whole"}}
        if "items" in answer:
            yield from ((document, each["index"]) for (document, _), each in zip(part, answer["items"], strict=True))
        elif answer["status"] == TOO_LARGE and len(part) > 1:
            half = len(part) // 2
            yield from self._request(part[:half])
            yield from self._request(part[half:])
        else:
            yield from ((document, answer) for document, _ in part)
