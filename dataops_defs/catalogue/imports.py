"""Imports in the catalogue. The caller owns the transaction."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Text, all_, false, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session

from dataops_defs.catalogue.base import new_id, now
from dataops_defs.catalogue.definitions import as_uuid
from dataops_defs.catalogue.import_rows import UNTOLD, ImportRow, ImportTargetRow
from dataops_defs.catalogue.models import DatamartRow, EtlPipelineRow, RunRow
from dataops_defs.domain.importing import IMPORT_PREFIX, WATCH_PREFIX, ImportState, ImportTarget, TargetFormat
from dataops_defs.errors import Conflict, NotFound, StaleWorker

MAX_ERROR = 2000
MOST_UNTOLD = 1000


class Imports:
    """All reads and writes of imports."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, made: ImportRow) -> ImportRow:
        """Store a new one.

        Raises:
            Conflict: a datamart or an ETL pipeline makes that table.
        """
        self.refuse_others(made.target)
        self._session.add(made)
        self._session.flush()
        return made

    def get(self, id: str, *, lock: bool = False) -> ImportRow:
        """The one of that id, with its prefix or without.

        Raises:
            NotFound: there is none, or it is no id at all.
        """
        found = self.find(id, lock=lock)
        if found is None:
            raise NotFound(f"Import {id[:80]} not found")
        return found

    def find(self, id: str, *, lock: bool = False) -> ImportRow | None:
        """The one of that id, or None."""
        key = as_uuid(id.removeprefix(IMPORT_PREFIX))
        query = select(ImportRow).where(ImportRow.id == key)
        return self._session.scalar(query.with_for_update() if lock else query) if key else None

    def begin(self, id: str, run_id: str) -> ImportRow:
        """Note that a run is at it; one that has ended stays as it is.

        Raises:
            Conflict: another run has done it.
            StaleWorker: a watch has asked another run for it, for this one has ended.
        """
        row = self.get(id, lock=True)
        ended = select(RunRow.finished_at).where(RunRow.id == run_id)
        if row.watch_id is not None and (row.run_id != run_id or self._session.scalar(ended) is not None):
            raise StaleWorker(f"Another run imports {row.path}")
        if row.state.ended:
            if row.run_id != run_id:
                raise Conflict(f"The import of {row.path} has ended already; ask for a new one")
            return row
        row.state, row.run_id = ImportState.IMPORTING, run_id
        row.started_at = row.started_at or now()
        return row

    def end(self, id: str, state: ImportState, values: Mapping[str, Any], error: str | None = None) -> ImportRow:
        """Note what became of it, once."""
        row = self.get(id, lock=True)
        if not row.state.ended:
            row.state, row.error, row.finished_at = state, error[:MAX_ERROR] if error else None, now()
            for name, value in values.items():
                setattr(row, name, value)
        return row

    def of_run(self, run_id: str) -> Sequence[ImportRow]:
        """Those that a run is asked for, or has done, in the order they were found."""
        return self._session.scalars(select(ImportRow).where(ImportRow.run_id == run_id).order_by(ImportRow.id)).all()

    def untold(self, watch_id: str) -> Sequence[ImportRow]:
        """Those of a watch that have ended, and whose run ended without a mail about them."""
        query = (
            select(ImportRow)
            .outerjoin(RunRow, RunRow.id == ImportRow.run_id)
            .where(
                UNTOLD,
                ImportRow.watch_id == watch_id,
                ImportRow.finished_at.is_not(None),
                or_(ImportRow.run_id.is_(None), RunRow.finished_at.is_not(None)),
            )
            .order_by(ImportRow.id)
            .limit(MOST_UNTOLD)
        )
        return self._session.scalars(query).all()

    def note_told(self, ids: Sequence[str], error: str | None) -> None:
        """Note that the mail about them went, or why it did not."""
        self._session.execute(
            update(ImportRow)
            .where(ImportRow.id.in_(ids))
            .values(notification_error=error, notified_at=now() if error is None else None)
        )

    def put_off(self, id: str, run_id: str) -> bool:
        """Take one from its run: it waits for another, which its watch asks for. False if it is not that run's."""
        row = self.get(id, lock=True)
        if row.run_id != run_id or row.state.ended:
            return False
        row.state, row.run_id = ImportState.PENDING, None
        return True

    def loader_of(self, row: ImportRow) -> ImportRow:
        """The import that loaded the content which the target held already; this one, if that is itself."""
        if not row.unchanged:
            return row
        query = (
            select(ImportRow)
            .where(
                ImportRow.target_schema == row.target_schema,
                ImportRow.target_table == row.target_table,
                ImportRow.content_hash == row.content_hash,
                ImportRow.inferred_schema.is_not(None),
                ~ImportRow.unchanged,
            )
            .order_by(ImportRow.id.desc())
        )
        return self._session.scalar(query.limit(1)) or row

    def describe_like_loader(self, row: ImportRow) -> None:
        """Take the columns, and the rows that wait to be mended, of the import that has loaded this content."""
        loader = self.loader_of(row)
        row.inferred_schema, row.explanations = loader.inferred_schema, loader.explanations
        row.note, row.rows_rejected = loader.note, loader.rows_rejected

    def note_open_rejects(self, row: ImportRow, count: int) -> None:
        """Note how many of its rows wait to be mended, also with those that found its content in the target."""
        self._session.execute(
            update(ImportRow)
            .where(
                ImportRow.target_schema == row.target_schema,
                ImportRow.target_table == row.target_table,
                ImportRow.content_hash == row.content_hash,
                or_(ImportRow.id == row.id, ImportRow.unchanged),
            )
            .values(rows_rejected=count)
        )

    def name_taken(self, schema: str, table: str, owner: str) -> bool:
        """Whether somebody else's rows go, or went, to a table of that name."""
        query = select(ImportRow.id).where(
            ImportRow.target_schema == schema, ImportRow.target_table == table, ImportRow.owner != owner
        )
        return self._session.scalar(query.limit(1)) is not None or self._maker(schema, table) is not None

    def note_target(self, row: ImportRow) -> None:
        """Remember the table that an import has made, for Dagster's pages."""
        values = {
            "id": new_id(),
            "name": str(row.target),
            "app": row.app,
            "format": row.target_format,
            "schema": row.target_schema,
            "table": row.target_table,
            "watch_id": row.watch_id,
            "last_import_id": row.id,
            "created_at": now(),
            "updated_at": now(),
        }
        changed = {name: values[name] for name in ("app", "watch_id", "last_import_id", "updated_at")}
        made = insert(ImportTargetRow).values(values)
        self._session.execute(made.on_conflict_do_update(index_elements=["name"], set_=changed))

    def of_target(self, target: ImportTarget, limit: int = 100) -> Sequence[ImportRow]:
        """The imports into a target, newest first."""
        query = (
            select(ImportRow)
            .where(
                ImportRow.target_format == target.format,
                ImportRow.target_schema == target.schema,
                ImportRow.target_table == target.table,
            )
            .order_by(ImportRow.id.desc())
            .limit(limit)
        )
        return self._session.scalars(query).all()

    def counts_of_watch(self, watch_id: str) -> Mapping[ImportState, int]:
        """How many imports a watch has made, by where they stand."""
        query = select(ImportRow.state, func.count()).where(ImportRow.watch_id == watch_id).group_by(ImportRow.state)
        return dict(self._session.execute(query).tuples().all())

    def matching(
        self, *, state: ImportState | None = None, watch_id: str | None = None, target_table: str | None = None
    ) -> list[ColumnElement[bool]]:
        """What imports are to be, for `page`: all that is given; ``target_table`` with its schema or without."""
        schema, _, table = (target_table or "").rpartition(".")
        wanted = {
            ImportRow.state: state,
            ImportRow.target_schema: schema or None,
            ImportRow.target_table: table or None,
        }
        made = [column == value for column, value in wanted.items() if value is not None]
        if watch_id is not None:
            id = as_uuid(watch_id.removeprefix(WATCH_PREFIX))
            made.append(ImportRow.watch_id == id if id else false())
        return made

    def paths(self, wanted: Sequence[ColumnElement[bool]]) -> Sequence[str]:
        """The files of imports, each once."""
        return self._session.scalars(select(ImportRow.path).where(*wanted).distinct()).all()

    def but_for(self, paths: Iterable[str]) -> ColumnElement[bool]:
        """What imports are to be that are of none of these files."""
        return ImportRow.path != all_(literal(list(paths), ARRAY(Text)))

    def page(
        self, wanted: Sequence[ColumnElement[bool]], *, limit: int, offset: int
    ) -> tuple[Sequence[ImportRow], int]:
        """A page of imports, newest first, and the number of all."""
        query = select(ImportRow).where(*wanted).order_by(ImportRow.id.desc()).limit(limit).offset(offset)
        total = self._session.scalar(select(func.count()).select_from(ImportRow).where(*wanted)) or 0
        return self._session.scalars(query).all(), total

    def refuse_others(self, target: ImportTarget) -> None:
        """Refuse a table that a datamart or an ETL pipeline makes (Conflict)."""
        if target.format is not TargetFormat.POSTGRES:
            return
        maker = self._maker(target.schema, target.table)
        if maker is not None:
            raise Conflict(f"{target} is made by {maker}; import into another table")

    def _maker(self, schema: str, table: str) -> str | None:
        """What else makes a table."""
        datamart = select(DatamartRow.name).where(DatamartRow.schema == schema, DatamartRow.slug == table)
        if (name := self._session.scalar(datamart)) is not None:
            return f"the datamart '{name}'"
        pipeline = select(EtlPipelineRow.name).where(EtlPipelineRow.target_table == f"{schema}.{table}")
        if (name := self._session.scalar(pipeline.limit(1))) is not None:
            return f"the ETL pipeline '{name}'"
        return None
