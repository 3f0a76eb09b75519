"""What a request wants rejected rows to hold, checked against the rejects before anything is recorded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import Request
from psycopg2.extensions import connection as Connection  # noqa: N812
from pydantic import ValidationError

from api_shim.multipart import file_of
from api_shim.problems import Malformed
from api_shim.schemas.rejects import RejectReplay
from dataops_defs.adapters.reject_files.cells import corrections
from dataops_defs.adapters.reject_files.upload import FIELD, read_mended
from dataops_defs.adapters.warehouse.rejects import Reject, rejects_by_id
from dataops_defs.domain.rejects import RejectState
from dataops_defs.errors import FieldProblem, Invalid

MOST_PROBLEMS = 20


@dataclass(frozen=True)
class Wish:
    """One rejected row to be tried again: where the request names it, and what is to change in its content."""

    place: str
    reject_id: int
    changes: Callable[[Mapping[str, Any]], dict[str, Any]]


Columns = Sequence[str]


async def wishes_of(request: Request) -> Callable[[Columns], list[Wish] | None]:
    """Read a request: JSON, a form with a file, or nothing. What it says is looked at when the columns are known.

    Raises:
        Invalid, Malformed: a body of another kind, a form without a file, ill-formed JSON.
    """
    body = await request.body()
    content_type = request.headers.get("content-type", "")
    kind = content_type.split(";")[0].strip().lower()
    if kind == "multipart/form-data":
        content = file_of(content_type, body, FIELD)
        return lambda columns: _of_file(content, columns)
    if not body.strip():
        return lambda _columns: None
    if not kind.endswith("json"):
        raise Invalid.field("body", f"must be JSON, or multipart/form-data with a CSV or Excel file as '{FIELD}'")
    replay = _json(body)
    return lambda columns: _of_json(replay, columns)


def _json(body: bytes) -> RejectReplay:
    try:
        return RejectReplay.model_validate_json(body)
    except ValidationError as error:
        raise Malformed(error, RejectReplay) from None


def _of_json(replay: RejectReplay, columns: Columns) -> list[Wish] | None:
    if replay.rows is None:
        return None
    known = frozenset(columns)
    problems, wishes, seen = [], [], set[int]()
    for place, row in enumerate(replay.rows):
        if row.id in seen:
            problems.append(FieldProblem(f"rows.{place}.id", f"reject {row.id} is there twice"))
        seen.add(row.id)
        problems += [
            FieldProblem(f"rows.{place}.raw.{name[:60]}", "is not a column of its rows")
            for name in row.raw
            if name not in known
        ]
        wishes.append(Wish(f"rows.{place}.id", row.id, _changing(row.raw)))
    _refuse(problems)
    return wishes


def _changing(given: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    return lambda content: {name: value for name, value in given.items() if value != content.get(name)}


def _of_file(content: bytes, columns: Columns) -> list[Wish]:
    return [Wish(FIELD, each.reject_id, partial(corrections, each.cells)) for each in read_mended(content, columns)]


def corrections_of(connection: Connection, subject_id: str, wishes: Sequence[Wish]) -> dict[int, dict[str, Any]]:
    """By reject, all columns that are to differ from what its row held.

    Raises:
        Invalid: no such reject, one of another mapping, or one that a later sync has read anew.
    """
    found = rejects_by_id(connection, subject_id, [each.reject_id for each in wishes])
    _refuse([problem for each in wishes if (problem := _problem(each, found.get(each.reject_id)))])
    return {
        each.reject_id: {**(reject.corrected or {}), **each.changes(reject.content)}
        for each in wishes
        for reject in (found[each.reject_id],)
    }


def _problem(wish: Wish, reject: Reject | None) -> FieldProblem | None:
    if reject is None:
        return FieldProblem(wish.place, f"there is no reject {wish.reject_id} here")
    if reject.state is RejectState.SUPERSEDED:
        said = f"reject {wish.reject_id} is outdated: its row was read anew since; download the rejects again"
        return FieldProblem(wish.place, said)
    return None


def _refuse(problems: Sequence[FieldProblem]) -> None:
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise Invalid(f"{problems[0].field}: {problems[0].message}{more}", problems[:MOST_PROBLEMS])
