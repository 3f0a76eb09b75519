"""Workers die while requests come in: every request is carried out, once. ``make chaos`` is the long form."""

from collections import Counter
from collections.abc import Iterable

import pytest
from rich.console import Console

from tests.chaos.objects import Objects
from tests.chaos.place import Place
from tests.chaos.session import Plan, Session
from tests.chaos.verdicts import Harm, Verdict
from tests.stories.conftest import RunningStack

PLAN = Plan(
    requests=12, a_second=3, pause=0.8, kills=4, seed=5, only=("worker",), settle=60, linger=0, workloads=(Objects,)
)
LAST_WRITE = "(SELECT max(id) FROM dataops.ledger WHERE target = 'objects.chaos_event')"
LAST_REQUEST = "(SELECT max(request_id) FROM run WHERE request_id LIKE 'chaos-5-%')"
PLANTED = (
    (Harm.LOST, "warehouse", 'DELETE FROM objects.chaos_event WHERE "eventId" = 7'),
    (Harm.LOST, "warehouse", 'UPDATE objects.chaos_account SET balance = -1 WHERE "accountId" = 7'),
    (Harm.TWICE, "warehouse", 'UPDATE objects.chaos_part SET "partNumber" = -1 WHERE "partNumber" = 7'),
    (
        Harm.TWICE,
        "warehouse",
        "INSERT INTO dataops.ledger (run_id, subject_kind, subject_id, target)"
        f" SELECT run_id, subject_kind, subject_id, target FROM dataops.ledger WHERE id = {LAST_WRITE}",
    ),
    (Harm.LOST, "warehouse", "DELETE FROM dataops.ledger WHERE target = 'objects.chaos_part'"),
    (Harm.LEFT, "catalogue", f"UPDATE run SET state = 'paused' WHERE request_id = {LAST_REQUEST}"),
    (Harm.TWICE, "catalogue", "UPDATE run SET request_id = 'chaos-5-00000' WHERE request_id = 'chaos-5-00001'"),
)


@pytest.fixture(scope="module")
def session(stack: RunningStack) -> Session:
    return Session(Place(stack), PLAN, Console(quiet=True))


class TestRequestsWhileWorkersAreKilled:
    def test_are_all_carried_out_exactly_once(self, session: Session) -> None:
        broken = [f"{each.promise}: {case}" for each in session.run() for case in each.cases]
        assert session.recoveries.all, "no worker was killed"
        assert broken == []

    def test_and_whatever_goes_wrong_is_seen(self, session: Session) -> None:
        for harm, database, statement in PLANTED:
            before = harms(session.judge())
            session.place.change(database, statement)
            assert harms(session.judge())[harm] > before[harm], statement


def harms(verdicts: Iterable[Verdict]) -> Counter[Harm]:
    found: Counter[Harm] = Counter()
    for each in verdicts:
        found.update(each.harms)
    return found
