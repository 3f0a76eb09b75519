"""Reading rejected rows: pages of them, all of them as a stream, some by their ids."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.domain.rejects import RejectState

STREAM_ROWS = 2_000
_COLUMNS = (
    "id, run_id::text, row_number, column_name, reason, raw, rejected_at, state, settled_by::text, settled_at,"
    " corrected, taken_key"
)
# What somebody can still do something about comes first.
_ORDER = "(state = 'open') DESC, run_id DESC, row_number, id"


@dataclass(frozen=True)
class Reject:
    """A row that could not be taken. ``raw`` is what it held, ``corrected`` what people have given for it since.

    ``settled_by`` is the run that repaired or superseded it. ``taken_key`` is the key it was refused for, because a
    row before it had the same.
    """

    id: int
    run_id: str
    row_number: int
    column: str | None
    reason: str
    raw: Mapping[str, Any]
    rejected_at: datetime
    state: RejectState
    settled_by: str | None = None
    settled_at: datetime | None = None
    corrected: Mapping[str, Any] | None = None
    taken_key: str | None = None

    @property
    def content(self) -> dict[str, Any]:
        """The row as it stands: what it held, with what was corrected laid over it."""
        return {**self.raw, **(self.corrected or {})}


@dataclass(frozen=True)
class Filter:
    """Which rejected rows of a dataset or mapping are wanted; None for any."""

    subject_id: str
    run_id: str | None = None
    state: RejectState | None = None

    @property
    def condition(self) -> str:
        """The condition in SQL; its parameters are this object's fields."""
        wanted = [name for name in ("run_id", "state") if getattr(self, name) is not None]
        return " AND ".join(["subject_id = %(subject_id)s", *(f"{name} = %({name})s" for name in wanted)])


def count_rejects(connection: Connection, wanted: Filter) -> int:
    """How many there are."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM dataops.reject WHERE {wanted.condition}", vars(wanted))  # noqa: S608
        [(found,)] = cursor.fetchall()
        return int(found)


def stream_rejects(
    connection: Connection, wanted: Filter, *, limit: int | None = None, offset: int = 0
) -> Iterator[Reject]:
    """The rejected rows, open ones first, then those of newer runs; a few thousand at a time in memory."""
    with connection.cursor("rejects") as cursor:
        cursor.itersize = STREAM_ROWS
        cursor.execute(
            f"SELECT {_COLUMNS} FROM dataops.reject WHERE {wanted.condition} ORDER BY {_ORDER}"  # noqa: S608
            " LIMIT %(limit)s OFFSET %(offset)s",
            {**vars(wanted), "limit": limit, "offset": offset},
        )
        for row in cursor:
            yield reject_of(row)


def rejects_by_id(connection: Connection, subject_id: str, ids: Collection[int]) -> dict[int, Reject]:
    """Those of these rejected rows that are the subject's, by id."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM dataops.reject WHERE subject_id = %s AND id = ANY(%s)",  # noqa: S608
            (subject_id, list(ids)),
        )
        return {row[0]: reject_of(row) for row in cursor.fetchall()}


def reject_of(row: Sequence[Any]) -> Reject:
    """A rejected row from the columns that are read."""
    values = list(row)
    values[7] = RejectState(values[7])
    return Reject(*values)
