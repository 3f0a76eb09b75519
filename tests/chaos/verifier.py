"""Asks the databases whether the promises were kept; nothing here uses the product's code."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.chaos.clients import Request
from tests.chaos.place import Place
from tests.chaos.verdicts import Harm, Verdict

ENDED = ("succeeded", "failed", "cancelled", "timed_out")
NOT_ENDED_IN_DAGSTER = "SELECT run_id, status FROM runs WHERE status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED')"
OURS = "SELECT id::text, request_id, state, coalesce(error, '') FROM run WHERE request_id = ANY (%s) ORDER BY id"
OTHERS = """
SELECT id::text, kind, state, coalesce(error, '') FROM run
WHERE id > %s::uuid AND (request_id IS NULL OR request_id <> ALL (%s))
"""
LEDGER = """
SELECT run_id::text, subject_id::text, count(*) FROM dataops.ledger WHERE run_id::text = ANY (%s) GROUP BY 1, 2
"""
COPIES = "SELECT target, inserted FROM dataops.ledger WHERE subject_kind = 'dataset' AND target LIKE 'raw:%%'"


class Verifier:
    """The promises that hold whatever the workload was.

    Args:
        since: id of the newest run record before all this; older ones are somebody else's.
    """

    def __init__(self, place: Place, requests: Sequence[Request], since: str) -> None:
        self._place, self._requests, self._since = place, requests, since
        ids = [each.id for each in requests]
        self._records = [tuple(map(str, row)) for row in place.ask("catalogue", OURS, ids)]
        self._others = [tuple(map(str, row)) for row in place.ask("catalogue", OTHERS, since, ids)]

    def verdicts(self) -> Iterator[Verdict]:
        """All of them."""
        yield self._accepted()
        yield self._one_record()
        yield self._ended()
        yield self._ledger()
        yield self._raw_copies()
        yield self._dagster()

    def states(self) -> Counter[str]:
        """How the records of the clients' requests ended."""
        return Counter(state for _, _, state, _ in self._records)

    def _accepted(self) -> Verdict:
        verdict = Verdict("every request is accepted within its client's patience")
        for each in self._requests:
            if each.execution_id is None:
                how = "refused" if each.refused else f"given up after {each.tries} tries, {each.waited:.0f} s"
                verdict.broken(Harm.FAILED, f"{each.id} {each.path}: {how}: {each.last}")
        return verdict

    def _one_record(self) -> Verdict:
        verdict = Verdict("an accepted request has one run record, no twin of its Idempotency-Key")
        made: dict[str, list[str]] = {}
        for id, request_id, _, _ in self._records:
            made.setdefault(request_id, []).append(id)
        for each in self._requests:
            ids = made.get(each.id, [])
            if each.execution_id is not None and each.execution_id not in ids:
                verdict.broken(Harm.LOST, f"{each.id}: its execution {each.execution_id} is not there")
            if len(ids) > 1:
                verdict.broken(Harm.TWICE, f"{each.id}: {len(ids)} records: {', '.join(ids)}", len(ids) - 1)
        return verdict

    def _ended(self) -> Verdict:
        verdict = Verdict("every record has ended, in success")
        for id, name, state, error in [*self._records, *self._others]:
            if state not in ENDED:
                verdict.broken(Harm.LEFT, f"{name} {id} is {state}")
            elif state != "succeeded":
                verdict.broken(Harm.FAILED, f"{name} {id} {state}: {error}")
        return verdict

    def _ledger(self) -> Verdict:
        """A record that succeeded has exactly the rows of its request; one that did not may have some, none twice."""
        verdict = Verdict("each write of a record is in the ledger exactly once")
        ids = [id for id, *_ in [*self._records, *self._others]]
        counts = {(run, subject): count for run, subject, count in self._place.ask("warehouse", LEDGER, ids)}
        for (run, subject), count in counts.items():
            if count > 1:
                verdict.broken(Harm.TWICE, f"record {run} wrote {count} times for {subject}", count - 1)
        wanted = {each.id: set(each.writes) for each in self._requests}
        allowed = {each.id: {*each.writes, *each.may_write} for each in self._requests}
        for id, request_id, state, _ in self._records:
            written = {subject for run, subject in counts if run == id}
            if state == "succeeded" and (missing := wanted[request_id] - written):
                verdict.broken(Harm.LOST, f"record {id} succeeded without writing for {missing}", len(missing))
            if foreign := written - allowed[request_id]:
                verdict.broken(Harm.TWICE, f"record {id} wrote for {foreign}, which nobody asked for", len(foreign))
        return verdict

    def _raw_copies(self) -> Verdict:
        verdict = Verdict("each raw copy in the ledger is there and holds the rows the ledger says")
        for uri, rows in self._place.ask("warehouse", COPIES):
            found = _rows_of(self._place.home / "raw" / uri.removeprefix("raw:"))
            if found != rows:
                verdict.broken(Harm.LOST, f"{uri}: the ledger says {rows} rows, the file {found}")
        return verdict

    def _dagster(self) -> Verdict:
        verdict = Verdict("no run of Dagster is left open")
        for run, status in self._place.ask("instance", NOT_ENDED_IN_DAGSTER):
            verdict.broken(Harm.LEFT, f"Dagster run {run} is {status}")
        return verdict


def still_open(place: Place, since: str) -> int:
    """Records and Dagster runs that have not ended."""
    open_records = "SELECT count(*) FROM run WHERE id > %s::uuid AND state <> ALL (%s)"
    [(records,)] = place.ask("catalogue", open_records, since, list(ENDED))
    return int(records) + len(place.ask("instance", NOT_ENDED_IN_DAGSTER))


def newest_record(place: Place) -> str:
    """Id of the newest run record; ids grow with time."""
    found = place.ask("catalogue", "SELECT id::text FROM run ORDER BY id DESC LIMIT 1")
    return str(found[0][0]) if found else "00000000-0000-0000-0000-000000000000"


def _rows_of(file: Path) -> int | str:
    try:
        return int(pq.ParquetFile(file).metadata.num_rows)
    except (OSError, pa.ArrowInvalid) as error:
        return f"cannot be read ({type(error).__name__})"
