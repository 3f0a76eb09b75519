"""What a transaction changes in definitions, as the audit tells it: each field as it was, and as it is."""

from typing import Any

from sqlalchemy import LargeBinary, event, inspect
from sqlalchemy.orm import Session

from dataops_defs.catalogue.base import Named
from dataops_defs.catalogue.models import ScheduleRow

# What nobody asked to change.
NOT_TOLD = frozenset({"updated_at", "problem"})
TOLD_OF_SCHEDULES = frozenset({"cron", "timezone", "enabled"})


class Differences:
    """Listens to a session: what a column held is forgotten whenever it is written to the database."""

    def __init__(self, session: Session) -> None:
        self._before: dict[Named | ScheduleRow, dict[str, Any]] = {}
        event.listen(session, "before_flush", self._look)

    def of(self, subject: Named) -> dict[str, dict[str, Any]]:
        """Fields of a definition and of its schedule that differ, ``{field: {"before": …, "after": …}}``.

        Sealed columns are left out; the others are those that a GET shows.
        """
        found: dict[str, dict[str, Any]] = {}
        for row, before in self._before.items():
            if row is subject or (isinstance(row, ScheduleRow) and row.subject_id == subject.id):
                prefix = "" if row is subject else "schedule."
                for name, was in before.items():
                    now = getattr(row, name)
                    if was != now:
                        found[prefix + name] = {"before": was, "after": now}
        return found

    def _look(self, session: Session, *_: object) -> None:
        new_schedules = (each for each in session.new if isinstance(each, ScheduleRow))
        for row in (*session.dirty, *new_schedules):
            if isinstance(row, Named | ScheduleRow):
                self._note(row)

    def _note(self, row: Named | ScheduleRow) -> None:
        known = self._before.setdefault(row, {})
        for column in inspect(type(row)).column_attrs:
            history = inspect(row).attrs[column.key].history
            sealed = isinstance(column.columns[0].type, LargeBinary)
            wanted = column.key in TOLD_OF_SCHEDULES if isinstance(row, ScheduleRow) else column.key not in NOT_TOLD
            if wanted and not sealed and history.has_changes():
                known.setdefault(column.key, history.deleted[0] if history.deleted else None)
