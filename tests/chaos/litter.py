"""What a dead process may leave behind: processes, half-written files, drafts of tables, open transactions."""

import time
from collections.abc import Iterator

import psutil

from tests.chaos.place import Place, command_line
from tests.chaos.targets import workers
from tests.chaos.verdicts import Harm, Verdict

# The lease of a run; whoever died longer ago than that must have been cleaned up after.
LEASE_SECONDS = 30
LEAVING_SECONDS = 15
DRAFTS = """
SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 'v') AND (c.relname LIKE '\\_building\\_%%' OR c.relname LIKE '%%staging%%')
    AND n.nspname NOT LIKE 'pg\\_temp%%'
"""
OPEN_TRANSACTIONS = """
SELECT coalesce(datname, '') || ' ' || application_name FROM pg_stat_activity
WHERE xact_start < now() - %s * interval '1 s' AND backend_type = 'client backend'
"""


def litter(place: Place) -> Iterator[Verdict]:
    """While the stack is up and idle, the lease after the last kill."""
    yield _processes(place)
    verdict = Verdict("no half-written file, draft of a table or open transaction is left")
    for partial in place.home.glob("raw/**/*.partial"):
        age = time.time() - partial.stat().st_mtime
        if age > LEASE_SECONDS:
            verdict.broken(Harm.LITTER, f"{partial.relative_to(place.home)}, {age:.0f} s old")
    for (name,) in place.ask("warehouse", DRAFTS):
        verdict.broken(Harm.LITTER, f"table {name}")
    for (name,) in place.ask("superuser", OPEN_TRANSACTIONS, LEASE_SECONDS):
        verdict.broken(Harm.LITTER, f"open transaction of {name}")
    yield verdict


def _processes(place: Place) -> Verdict:
    verdict = Verdict("no orphan process")
    deadline = time.monotonic() + LEAVING_SECONDS
    while (found := _orphans(place)) and time.monotonic() < deadline:
        time.sleep(0.5)
    for process in found:
        verdict.broken(Harm.LITTER, f"process {process.pid}: {command_line(process)[:150]}")
    return verdict


def _orphans(place: Place) -> list[psutil.Process]:
    """When nothing runs, all processes are the supervisor's descendants, and none of them carries a run."""
    stack = psutil.Process(place.stack.process.pid)
    family = {stack.pid, *(each.pid for each in stack.children(recursive=True))}
    carrying = set(workers(place))
    return [each for each in place.processes() if each.pid not in family or each.pid in carrying]


def survivors(place: Place) -> Verdict:
    """After the stack was stopped."""
    verdict = Verdict("nothing outlives the stack")
    for process in place.processes():
        verdict.broken(Harm.LITTER, f"process {process.pid}: {command_line(process)[:150]}")
    return verdict


def unnamed_copies(place: Place) -> int:
    """Raw copies that no ledger row names: written whole, but their worker died before it could say so."""
    named = {uri for (uri,) in place.ask("warehouse", "SELECT target FROM dataops.ledger WHERE target LIKE 'raw:%%'")}
    root = place.home / "raw"
    return sum(f"raw:{file.relative_to(root)}" not in named for file in root.glob("**/*.parquet"))
