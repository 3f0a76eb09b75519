"""Executions with their progress, for lists and for those who follow changes. One query, however many rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Double,
    FromClause,
    Row,
    Select,
    Uuid,
    case,
    cast,
    false,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.orm import Session

from dataops_defs.catalogue.definitions import as_uuid
from dataops_defs.catalogue.import_rows import ImportRow
from dataops_defs.catalogue.models import (
    DatamartRow,
    DatasetRow,
    MappingRow,
    PipelineRow,
    RunRow,
    RunStepRow,
)
from dataops_defs.domain.progress import Counted, Progress, progress_of
from dataops_defs.domain.run import DRY_RUN, RunKind, RunState
from dataops_defs.errors import Invalid, NotFound

SORTS: dict[str, ColumnElement[Any]] = {
    # Ids sort by creation time, and have an index.
    "created_at": RunRow.id.expression,
    "updated_at": RunRow.updated_at.expression,
    "name": RunRow.subject_name.expression,
}
SETTLING = timedelta(minutes=1)
"""How long after the end of an execution its steps may still be closed."""
Position = tuple[datetime, str]
"""A place in the order of changes: the moment of a change, and the execution's id."""


@dataclass(frozen=True)
class Wanted:
    """Which executions somebody follows; what is None does not count."""

    id: str | None = None
    subject_id: str | None = None
    kind: RunKind | None = None

    def takes(self, run: RunRow) -> bool:
        """Whether an execution is among them."""
        return (
            self.id in (None, run.id)
            and self.subject_id in (None, run.subject_id)
            and (self.kind is None or self.kind is run.kind)
        )

    def conditions(self) -> list[ColumnElement[bool]]:
        """The same for a query."""
        made = [] if self.kind is None else [RunRow.kind == self.kind]
        for column, value in ((RunRow.id, self.id), (RunRow.subject_id, self.subject_id)):
            if value is not None:
                # An ill-formed id is simply not found.
                made.append(column == as_uuid(value) if as_uuid(value) else false())
        return made


@dataclass(frozen=True)
class Filter(Wanted):
    """Which executions a list shows; ``since`` is the moment they were asked for."""

    states: frozenset[RunState] | None = None
    app: str | None = None
    since: datetime | None = None
    dry_run: bool | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The filter for a query."""
        made = super().conditions()
        if self.states is not None:
            made.append(RunRow.state.in_(self.states))
        if self.app is not None:
            made.append(RunRow.subject_id.in_(_subjects_of(self.app)))
        if self.dry_run is not None:
            made.append(_is_dry() == self.dry_run)
        if self.since is not None:
            made.append(RunRow.id >= _first_id(self.since))
        return made


@dataclass(frozen=True)
class ListedRun:
    """An execution as lists show it; ``changed_at`` is when it or one of its steps last changed."""

    run: RunRow
    progress: Progress
    changed_at: datetime


class RunLists:
    """All reads of executions that tell their progress."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, id: str) -> ListedRun:
        """One execution.

        Raises:
            NotFound: there is none of that id.
        """
        key = as_uuid(id)
        found = self.of([key]) if key else []
        if not found:
            raise NotFound(f"Execution {id[:80]} not found")
        return found[0]

    def of(self, ids: Sequence[str]) -> list[ListedRun]:
        """These executions, the least recently changed first."""
        query, changed_at = _listed(select(RunRow.id).where(RunRow.id.in_(ids)))
        return self._read(query.order_by(changed_at, RunRow.id))

    def newest_of(self, subject_ids: Sequence[str]) -> list[ListedRun]:
        """The newest execution of each of these definitions that has one; dry runs do not count."""
        subjects = (
            func.unnest(literal(list(subject_ids), ARRAY(Uuid(as_uuid=False)))).table_valued("id").render_derived()
        )
        newest = (
            select(RunRow.id)
            .where(RunRow.subject_id == subjects.c.id, ~_is_dry())
            .order_by(RunRow.id.desc())
            .limit(1)
            .lateral("newest")
        )
        query, _ = _listed(select(newest.c.id).select_from(subjects).join(newest, true()))
        return self._read(query)

    def page(
        self, wanted: Wanted, *, limit: int, offset: int = 0, sort: str = "-created_at"
    ) -> tuple[list[ListedRun], int]:
        """One page, and the number of executions in all.

        Raises:
            Invalid: ``sort`` is not ``created_at``, ``updated_at`` or ``name``, with or without a leading ``-``.
        """
        order, conditions = _order(sort), wanted.conditions()
        chosen = select(RunRow.id).where(*conditions).order_by(*order).limit(limit).offset(offset)
        counting = select(func.count()).select_from(RunRow).where(*conditions)
        query, _ = _listed(chosen)
        rows = self._session.execute(
            query.add_columns(counting.scalar_subquery().label("total")).order_by(*order)
        ).all()
        if rows:
            return [_made(row) for row in rows], rows[0].total
        return [], (self._session.scalar(counting) or 0) if offset else 0

    def changed(self, wanted: Wanted, after: Position, limit: int) -> list[ListedRun]:
        """Executions that changed after a place in the order of changes, the least recently changed first."""
        moment, id = after
        # Of open executions there are few, and an ended one soon does not change any more.
        recent = or_(RunRow.finished_at.is_(None), RunRow.finished_at >= moment - SETTLING)
        query, changed_at = _listed(select(RunRow.id).where(*wanted.conditions(), recent))
        later = tuple_(changed_at, RunRow.id) > tuple_(literal(moment), literal(id, Uuid(as_uuid=False)))
        return self._read(query.where(later).order_by(changed_at, RunRow.id).limit(limit))

    def _read(self, query: Select[Any]) -> list[ListedRun]:
        return [_made(row) for row in self._session.execute(query).all()]


def _listed(chosen: Select[str]) -> tuple[Select[Any], ColumnElement[datetime]]:
    """The query for the executions of these ids, and its expression for the moment of their last change."""
    page = chosen.subquery("page")
    steps = _steps_of(page.c.id)
    # A NULL, for want of steps, does not count in GREATEST.
    changed_at = func.greatest(RunRow.updated_at, steps.c.changed_at)
    columns = [each for each in steps.c if each.name != "changed_at"]
    query = (
        select(RunRow, func.now().label("moment"), changed_at.label("changed_at"), *columns)
        .select_from(page)
        .join(RunRow, RunRow.id == page.c.id)
        .join(steps, true())
    )
    return query, changed_at


def _steps_of(run_id: ColumnElement[str]) -> FromClause:
    step, done = RunStepRow, RunStepRow.state == RunState.SUCCEEDED
    share = func.least(cast(step.rows_done, Double) / step.rows_total, 1.0)

    def total(value: ColumnElement[Any] | Any) -> ColumnElement[Any]:
        return func.coalesce(func.sum(value), 0)

    return (
        select(
            func.count(step.id).label("steps"),
            func.count(step.id).filter(done).label("steps_done"),
            total(step.rows_done).label("rows_done"),
            total(case((done, step.rows_done), else_=step.rows_total)).label("rows_expected"),
            func.count(step.id).filter(~done, step.rows_total.is_(None)).label("uncounted"),
            total(case((~done & (step.rows_total > 0), share))).label("open_share"),
            total(step.batches_done).label("batches_done"),
            func.max(step.updated_at).label("changed_at"),
        )
        .where(step.run_id == run_id)
        .lateral("steps")
    )


def _made(row: Row[Any]) -> ListedRun:
    run: RunRow = row.RunRow
    names = ("steps", "steps_done", "rows_done", "rows_expected", "uncounted", "batches_done")
    counted = Counted(**{name: int(getattr(row, name)) for name in names}, open_share=float(row.open_share))
    seconds = None
    if run.started_at is not None:
        seconds = max(0.0, ((run.finished_at or row.moment) - run.started_at).total_seconds())
    return ListedRun(run, progress_of(run.kind, run.state, counted, run.steps_total, seconds), row.changed_at)


def _is_dry() -> ColumnElement[bool]:
    return func.coalesce(RunRow.parameters[DRY_RUN].as_boolean(), false())


def _order(sort: str) -> list[ColumnElement[Any]]:
    column = SORTS.get(sort.removeprefix("-"))
    if column is None:
        raise Invalid.field("sort", "must be createdAt, updatedAt or name, with or without a leading '-'")
    return [column.desc(), RunRow.id.desc()] if sort.startswith("-") else [column.asc(), RunRow.id.asc()]


def _subjects_of(app: str) -> Select[str]:
    """Ids of what an app's executions work at."""
    definitions = [
        select(each.id).where(each.app == app) for each in (DatasetRow, MappingRow, PipelineRow, DatamartRow)
    ]
    imports = select(ImportRow.id).where(ImportRow.app == app)
    return select(union_all(*definitions, imports).subquery().c.id)


def _first_id(moment: datetime) -> str:
    """The smallest id that can have been made at a moment: a UUIDv7 begins with its milliseconds (48 bits)."""
    milliseconds = max(0, int(moment.timestamp() * 1000))
    return str(UUID(int=milliseconds << 80))
