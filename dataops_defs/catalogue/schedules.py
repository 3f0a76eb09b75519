"""The one schedule table behind all schedulers. Dagster's running/stopped state is the truth; the row mirrors it."""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from dataops_defs.catalogue.models import ScheduleRow
from dataops_defs.domain.naming import schedule_name
from dataops_defs.domain.schedule import Schedule


class Schedules:
    """All reads and writes of schedules."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of(self, subject_id: str) -> ScheduleRow | None:
        """The schedule of a definition."""
        return self._session.scalar(select(ScheduleRow).where(ScheduleRow.subject_id == subject_id))

    def of_many(self, subject_ids: Sequence[str]) -> dict[str, ScheduleRow]:
        """The schedules of several definitions, by the definition's id."""
        rows = self._session.scalars(select(ScheduleRow).where(ScheduleRow.subject_id.in_(subject_ids)))
        return {row.subject_id: row for row in rows}

    def put(self, subject_kind: str, subject_id: str, subject_slug: str, wanted: Schedule) -> ScheduleRow:
        """Make or change the schedule of a definition."""
        row = self.of(subject_id)
        if row is None:
            name = schedule_name(subject_kind, subject_slug)
            row = ScheduleRow(name=name, subject_kind=subject_kind, subject_id=subject_id)
            self._session.add(row)
        row.cron, row.timezone, row.enabled = wanted.cron, wanted.timezone, wanted.enabled
        row.pending = True
        self._session.flush()
        return row

    def drop(self, subject_id: str) -> None:
        """Remove the schedule of a definition, if it has one."""
        self._session.execute(delete(ScheduleRow).where(ScheduleRow.subject_id == subject_id))

    def all(self) -> Sequence[ScheduleRow]:
        """All schedules."""
        return self._session.scalars(select(ScheduleRow).order_by(ScheduleRow.id)).all()

    def tell_again(self, subject_id: str) -> None:
        """Note that Dagster must be told of a definition's schedule, because its status changed."""
        row = self.of(subject_id)
        if row is not None:
            row.pending = True
