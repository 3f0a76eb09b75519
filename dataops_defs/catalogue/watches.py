"""Watched folders and the files found in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select, text, update
from sqlalchemy.orm import aliased

from dataops_defs.catalogue.base import Named, new_id, now
from dataops_defs.catalogue.definitions import Definitions, as_uuid
from dataops_defs.catalogue.import_rows import ImportRow
from dataops_defs.catalogue.watch_rows import WatchedFileRow, WatchRow
from dataops_defs.domain.importing import WATCH_PREFIX, FileState, ImportState

PAUSE = timedelta(minutes=1)
WAITING = (FileState.SETTLING, FileState.PENDING, FileState.DETECTED)
SHOWN: dict[str, tuple[FileState, ...]] = {
    **{str(each): (each,) for each in FileState if each is not FileState.SETTLING},
    str(FileState.PENDING): (FileState.SETTLING, FileState.PENDING),
}
"""By the word that answers print: the states it stands for."""


@dataclass(frozen=True)
class FoundFile:
    """A file as a look into the folder found it; ``fingerprint`` changes with its content."""

    path: str
    fingerprint: str
    size_bytes: int


class Watches(Definitions[WatchRow]):
    """All reads and writes of watched folders."""

    row = WatchRow
    noun = "watch"

    def find(self, id: str, *, lock: bool = False) -> WatchRow | None:
        """The one of that id, with its prefix or without, or None."""
        return super().find(id.removeprefix(WATCH_PREFIX), lock=lock)

    def dependants(self, row: WatchRow) -> Sequence[Named]:
        """Nothing is built on a watch."""
        return []

    def all(self) -> Sequence[WatchRow]:
        """All of them."""
        return self.session.scalars(select(WatchRow)).all()

    def gathering(self, schema: str, table: str) -> WatchRow | None:
        """The one that gathers its files in a table."""
        query = select(WatchRow).where(WatchRow.target_schema == schema, WatchRow.target_table == table)
        return self.session.scalars(query).first()

    def note(self, watch_id: str, found: Sequence[FoundFile], left_out: str | None = None) -> None:
        """Note what a look has found: the marks of all files are kept here, whatever their number.

        A version counts once two looks in a row found it the same: it is not being written any more. One that goes
        before it is imported is missing; one that was imported stays imported. ``left_out`` says what cannot be told by
        a path.
        """
        row = self.get(watch_id)
        self.session.execute(_FOUND_TABLE)
        if found:
            values = {
                "paths": [each.path for each in found],
                "prints": [each.fingerprint for each in found],
                "sizes": [each.size_bytes for each in found],
                "ids": [new_id() for _ in found],
            }
            self.session.execute(_FILL, values)
        settled = FileState.PENDING if row.auto_import else FileState.DETECTED
        moment = now()
        for statement in (_SETTLE, _CHANGE, _MISS, _ADD):
            self.session.execute(statement, {"watch": row.id, "settled": str(settled), "moment": moment})
        self.session.execute(text("DROP TABLE found_file"))
        self.session.expire_all()
        row.looked_at, row.degraded_since, row.last_error = moment, None, left_out

    def degrade(self, watch_id: str, reason: str) -> None:
        """Note that the folder cannot be looked into; its files stay as they are."""
        row = self.get(watch_id)
        row.looked_at, row.last_error = now(), reason
        row.degraded_since = row.degraded_since or row.looked_at

    def waiting(self, watch_id: str, limit: int) -> Sequence[WatchedFileRow]:
        """Complete files whose import no run is asked for, oldest first; not more than ``limit`` are under way at once.

        What was begun and put off comes again after a minute, then after half the time that it has been tried for.
        Files with a reason why they wait come last, that longest untried first: they hold up no other.
        """
        under_way = select(func.count()).where(
            WatchedFileRow.watch_id == watch_id,
            WatchedFileRow.status.in_((FileState.PENDING, FileState.IMPORTING)),
            WatchedFileRow.import_id == ImportRow.id,
            ImportRow.run_id.is_not(None),
        )
        room = limit - (self.session.scalar(under_way) or 0)
        tried_for = WatchedFileRow.updated_at - ImportRow.started_at
        query = (
            select(WatchedFileRow)
            .outerjoin(ImportRow, ImportRow.id == WatchedFileRow.import_id)
            .where(
                WatchedFileRow.watch_id == watch_id,
                WatchedFileRow.status == FileState.PENDING,
                ImportRow.run_id.is_(None),
                or_(
                    ImportRow.started_at.is_(None),
                    WatchedFileRow.updated_at + func.greatest(PAUSE, tried_for / 2) <= func.now(),
                ),
            )
            .order_by(WatchedFileRow.error.is_not(None), WatchedFileRow.updated_at, WatchedFileRow.id)
            .limit(max(room, 0))
            .with_for_update(of=WatchedFileRow, skip_locked=True)
        )
        return self.session.scalars(query).all()

    def imported(self, import_id: str, status: FileState, error: str | None = None) -> None:
        """Note what becomes of a file's newest version, if that is the one of this import."""
        self.session.execute(
            update(WatchedFileRow)
            .where(WatchedFileRow.import_id == import_id)
            .values(status=status, error=error, updated_at=now())
        )

    def superseded(self, made: ImportRow) -> None:
        """Let copies wait for an import of their own whose original has become another file in its table."""
        earlier, copy = aliased(ImportRow), aliased(ImportRow)
        self.session.execute(
            update(WatchedFileRow)
            .where(
                earlier.target_schema == made.target_schema,
                earlier.target_table == made.target_table,
                earlier.path == made.path,
                earlier.state == ImportState.COMPLETED,
                earlier.content_hash != made.content_hash,
                copy.content_hash == earlier.content_hash,
                WatchedFileRow.status == FileState.SKIPPED,
                WatchedFileRow.import_id == copy.id,
            )
            .values(status=FileState.PENDING, import_id=None, error=None, updated_at=now())
            .execution_options(synchronize_session=False)
        )

    def files(
        self, *, watch_id: str | None = None, status: str | None = None, limit: int, offset: int
    ) -> tuple[Sequence[WatchedFileRow], int]:
        """A page of files, newest first, and the number of all.

        Args:
            status: a word of `SHOWN`.
        """
        conditions: list[ColumnElement[bool]] = []
        if watch_id is not None:
            conditions.append(WatchedFileRow.watch_id == as_uuid(watch_id.removeprefix(WATCH_PREFIX)))
        if status is not None:
            conditions.append(WatchedFileRow.status.in_(SHOWN[status]))
        query = _newest(select(WatchedFileRow).where(*conditions)).limit(limit).offset(offset)
        total = self.session.scalar(select(func.count()).select_from(WatchedFileRow).where(*conditions)) or 0
        return self.session.scalars(query).all(), total

    def counts(self, watch_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """How many files stand where, by watch and by the word that answers print."""
        found: dict[str, dict[str, int]] = {}
        query = (
            select(WatchedFileRow.watch_id, WatchedFileRow.status, func.count())
            .where(WatchedFileRow.watch_id.in_(watch_ids))
            .group_by(WatchedFileRow.watch_id, WatchedFileRow.status)
        )
        for watch_id, status, count in self.session.execute(query):
            by_word = found.setdefault(watch_id, {})
            word = shown_state(status)
            by_word[word] = by_word.get(word, 0) + count
        return found


def shown_state(state: FileState) -> str:
    """The word that answers print."""
    return str(FileState.PENDING if state is FileState.SETTLING else state)


def _newest(query: Select[Any]) -> Select[Any]:
    return query.order_by(WatchedFileRow.detected_at.desc(), WatchedFileRow.id.desc())


# What a look found, for the length of its transaction: the files are compared by the database, not held here twice.
_FOUND_TABLE = text(
    "CREATE TEMPORARY TABLE found_file (id uuid, path text PRIMARY KEY, fingerprint text, size bigint) ON COMMIT DROP"
)
_FILL = text(
    "INSERT INTO found_file SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:paths AS text[]),"
    " CAST(:prints AS text[]), CAST(:sizes AS bigint[])) ON CONFLICT DO NOTHING"
)
_SAME = "f.watch_id = :watch AND n.path = f.path"
_SETTLE = text(
    f"UPDATE watched_file f SET status = :settled, updated_at = :moment FROM found_file n WHERE {_SAME}"  # noqa: S608
    " AND n.fingerprint = f.fingerprint AND f.status IN ('settling', 'missing')"
)
_CHANGE = text(
    "UPDATE watched_file f SET fingerprint = n.fingerprint, size_bytes = n.size, status = 'settling',"  # noqa: S608
    " import_id = NULL, error = NULL, detected_at = :moment, updated_at = :moment FROM found_file n"
    f" WHERE {_SAME} AND n.fingerprint <> f.fingerprint"
)
_MISS = text(
    "UPDATE watched_file f SET status = 'missing', import_id = NULL, updated_at = :moment,"
    " error = 'It went before it was imported' WHERE f.watch_id = :watch"
    " AND f.status IN ('settling', 'pending', 'detected')"
    " AND NOT EXISTS (SELECT FROM found_file n WHERE n.path = f.path)"
)
_ADD = text(
    "INSERT INTO watched_file (id, watch_id, path, fingerprint, size_bytes, status, detected_at, created_at,"
    " updated_at) SELECT n.id, :watch, n.path, n.fingerprint, n.size, 'settling', :moment, :moment, :moment"
    " FROM found_file n ON CONFLICT (watch_id, path) DO NOTHING"
)
