from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from dataops_defs.catalogue.base import new_id, now
from dataops_defs.catalogue.leases import Held, Leases, Orders
from dataops_defs.catalogue.models import TokenRow
from dataops_defs.catalogue.run_control import RunControl
from dataops_defs.catalogue.runs import Runs
from dataops_defs.catalogue.tokens import Role, Tokens
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.run import RunKind, RunState
from dataops_defs.errors import Conflict, Invalid, NotFound
from dataops_defs.flows.platform import Platform
from dataops_defs.settings import Settings


@pytest.fixture
def session(settings: Settings) -> Iterator[Session]:
    with Platform(settings).catalogue() as opened:
        yield opened


class TestARunRecord:
    def test_is_begun_by_one_dagster_run_only(self, session: Session) -> None:
        runs = Runs(session)
        row = runs.request(RunKind.SYNC, new_id(), "m")
        assert Leases(session).begin(row.id, "dagster-1")
        assert not Leases(session).begin(row.id, "dagster-2")
        assert not Leases(session).begin(row.id, "dagster-1")

    def test_ends_with_the_sums_of_its_steps(self, session: Session) -> None:
        runs = Runs(session)
        row = runs.request(RunKind.PIPELINE, new_id(), "p")
        Leases(session).begin(row.id, "d")
        for ledger in (Ledger(read=10, inserted=8, rejected=2), Ledger(read=5, unchanged=5)):
            step = runs.step(row.id, new_id(), RunKind.SYNC, new_id(), "m")
            runs.end_step(step.id, RunState.SUCCEEDED, ledger, {})
        assert runs.finish(row.id, RunState.SUCCEEDED) is RunState.SUCCEEDED
        session.refresh(row)
        assert (row.records_processed, row.records_succeeded, row.records_failed) == (15, 13, 2)

    def test_ends_once(self, session: Session) -> None:
        runs = Runs(session)
        row = runs.request(RunKind.SYNC, new_id(), "m")
        Leases(session).begin(row.id, "d")
        assert runs.finish(row.id, RunState.FAILED, error="first")
        assert runs.finish(row.id, RunState.SUCCEEDED) is None
        session.refresh(row)
        assert (row.state, row.error) == (RunState.FAILED, "first")

    def test_ended_from_outside_closes_the_step_its_worker_left_open(self, session: Session) -> None:
        runs = Runs(session)
        row = runs.request(RunKind.SYNC, new_id(), "m")
        Leases(session).begin(row.id, "d")
        step = runs.step(row.id, new_id(), RunKind.SYNC, new_id(), "m")
        runs.finish(row.id, RunState.FAILED, error="The worker died")
        session.refresh(step)
        assert (step.state, step.error) == (RunState.FAILED, "The worker died")
        assert step.finished_at is not None

    def test_cancelled_before_it_began_it_never_begins(self, session: Session) -> None:
        runs = Runs(session)
        row = runs.request(RunKind.SYNC, new_id(), "m")
        assert RunControl(session).cancel(row.id).state is RunState.CANCELLED
        assert not Leases(session).begin(row.id, "d")
        with pytest.raises(Conflict, match="has ended"):
            RunControl(session).cancel(row.id)

    def test_cancelled_at_work_it_is_told_and_ends_cancelled(self, session: Session) -> None:
        runs = Runs(session)
        row = runs.request(RunKind.SYNC, new_id(), "m")
        Leases(session).begin(row.id, "d")
        assert RunControl(session).cancel(row.id).state is RunState.CANCELLING
        session.flush()
        assert Leases(session).renew(Held(row.id, 1)) == Orders(cancel=True, pause=False)
        assert runs.finish(row.id, RunState.CANCELLED)

    def test_an_id_that_is_none_is_not_found(self, session: Session) -> None:
        with pytest.raises(NotFound):
            Runs(session).get("none")


class TestTokens:
    def test_only_the_hash_is_kept(self, session: Session) -> None:
        row, token = Tokens(session).create("ci", Role.EDITOR)
        kept = {column.name: getattr(row, column.name) for column in TokenRow.__table__.columns}
        assert token not in str(kept)
        found = Tokens(session).valid(token)
        assert found is not None
        assert found.role == "editor"

    def test_a_revoked_or_expired_token_does_not_count(self, session: Session) -> None:
        tokens = Tokens(session)
        row, token = tokens.create("ci", Role.VIEWER, now() + timedelta(hours=1))
        row.expires_at = now() - timedelta(seconds=1)
        assert tokens.valid(token) is None
        other, second = tokens.create("other", Role.VIEWER)
        tokens.revoke(other.id)
        session.flush()
        assert tokens.valid(second) is None

    def test_a_date_in_the_past_and_a_name_twice_are_refused(self, session: Session) -> None:
        tokens = Tokens(session)
        with pytest.raises(Invalid):
            tokens.create("late", Role.VIEWER, now() - timedelta(days=1))
        tokens.create("twin", Role.VIEWER)
        with pytest.raises(Conflict):
            tokens.create("twin", Role.VIEWER)

    def test_the_first_admin_token_can_be_replaced_by_settings_only(self, session: Session) -> None:
        tokens = Tokens(session)
        tokens.ensure_admin("first-token")
        tokens.ensure_admin("second-token")
        session.flush()
        assert tokens.valid("first-token") is None
        admin = tokens.valid("second-token")
        assert admin is not None
        with pytest.raises(Conflict, match="DATAOPS_ADMIN_TOKEN"):
            tokens.revoke(admin.id)
