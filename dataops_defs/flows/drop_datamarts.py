"""What datamarts hold, and how it is dropped: all of it, or nothing where something else is built on it."""

from collections.abc import Callable, Iterator, Sequence

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.datamarts import ours, relations, swap, turns
from dataops_defs.adapters.datamarts.dependants import all_of, dependants_of
from dataops_defs.adapters.datamarts.locks import patiently
from dataops_defs.adapters.datamarts.relations import Relation
from dataops_defs.catalogue.base import new_id
from dataops_defs.domain.datamart import DatamartType, draft_name
from dataops_defs.domain.leftover import Leftover, LeftoverKind
from dataops_defs.domain.naming import table_key
from dataops_defs.errors import Conflict
from dataops_defs.flows.platform import Platform

# What has the name of a datamart or of a version and was made by somebody else is none of a datamart's holdings.


def kept(platform: Platform, datamarts: Sequence[Leftover]) -> list[str]:
    """Names of the tables and views that datamarts hold."""
    with platform.warehouse("dataops drop") as connection, connection.cursor() as cursor:
        return [each.address for datamart in datamarts for each in _holdings(cursor, datamart)]


def left_behind(platform: Platform, name: str) -> list[Leftover]:
    """What datamarts of that name left behind that are deleted by now, one for each schema.

    Args:
        name: of their table or view; no datamart has it now.
    """
    with platform.warehouse("dataops drop") as connection, connection.cursor() as cursor:
        found = ours.left_behind(cursor, name)
    return [
        Leftover(LeftoverKind.DATAMART, new_id(), name, f"{schema}.{name}", versions, table_key(schema, name))
        for schema, versions in found.items()
    ]


def to_be_dropped(platform: Platform, datamarts: Sequence[Leftover]) -> list[str]:
    """Names of the tables and views that datamarts hold, which can all be dropped in that order.

    Raises:
        Conflict: something that does not go with them is built on one.
    """
    with platform.warehouse("dataops drop") as connection, connection.cursor() as cursor:
        found = [each for datamart in datamarts for each in _holdings(cursor, datamart)]
        going = {_called(each) for each in found}
        for each in found:
            _refuse_when_read(cursor, each, going)
    return [each.address for each in found]


def drop_datamart(cursor: Cursor, datamart: Leftover, heed: Callable[[], None], patience_seconds: float) -> int:
    """Drop what a datamart holds, in the moment when nobody reads it; the number of rows that went.

    Args:
        heed: called before each try; what it raises ends the attempts.

    Raises:
        Conflict: one has been read for that long without a pause, or something is built on one; nothing was dropped.
    """
    turns.take_turn(cursor, datamart.subject_id)
    rows = 0

    def drop() -> None:
        nonlocal rows
        heed()
        rows = sum(_drop(cursor, each) for each in _holdings(cursor, datamart))

    patiently(cursor, datamart.place, drop, patience_seconds)
    return rows


def _drop(cursor: Cursor, found: Relation) -> int:
    _refuse_when_read(cursor, found, set())
    rows = relations.content_of(cursor, found).rows if found.populated and found.type is not DatamartType.VIEW else 0
    swap.drop(cursor, found)
    return rows


def _refuse_when_read(cursor: Cursor, found: Relation, going: set[str]) -> None:
    readers = [each for each in all_of(dependants_of(cursor, found)) if each not in going]
    if readers:
        raise Conflict(f"{found.address} is read by {', '.join(readers)}; drop these first")


def _called(found: Relation) -> str:
    """As `all_of` calls it."""
    return f"{(found.type or '').replace('_', ' ')} {found.address}"


def _holdings(cursor: Cursor, datamart: Leftover) -> Iterator[Relation]:
    """The datamart's view or table first: it is built on a version's table."""
    schema, name = datamart.relation
    for each in (name, *datamart.versions, draft_name(datamart.subject_id)):
        found = relations.find(cursor, schema, each)
        if found is None or found.type is None:
            continue
        version = datamart.versions.get(each)
        if ours.is_of_version(cursor, found, version) if version else ours.is_made_by_us(cursor, found):
            yield found
