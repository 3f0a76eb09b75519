"""A datamart's query is run by the builder's role, beside what readers see."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.datamarts import drafts, elsewhere, ours, swap
from dataops_defs.adapters.datamarts.relations import Content, Relation, content_of, find
from dataops_defs.catalogue.models import DatamartRow
from dataops_defs.domain.datamart import DatamartType, draft_name
from dataops_defs.errors import Conflict, DependencyUnavailable, SourceError
from dataops_defs.flows.work import Work

BUILD_TIME_LIMIT = "30min"


@contextmanager
def as_builder(work: Work, name: str) -> Iterator[Cursor]:
    """A transaction of the role that may run a datamart's query, within its time.

    Raises:
        SourceError: PostgreSQL refuses the query.
    """
    with (
        work.warehouse("dataops build", role="builder") as connection,
        connection.cursor() as cursor,
        _refusals(work, name),
    ):
        cursor.execute(f"SET LOCAL statement_timeout = '{BUILD_TIME_LIMIT}'")
        yield cursor


def build_draft(work: Work, row: DatamartRow, query: str, type: DatamartType) -> Content | None:
    """Build what is to take the datamart's place beside it; returns the content of a view."""
    place = sql.Identifier(row.schema, draft_name(row.id))
    with as_builder(work, row.name) as cursor, as_builder(work, row.name) as other:
        clear_draft(cursor, row)
        drafts.build(cursor, other, place, type, query)
        return content_of(cursor, draft_of(cursor, row)) if type is DatamartType.VIEW else None


def build_passing_draft(work: Work, row: DatamartRow, query: str) -> None:
    """Build a table that is read once and dropped."""
    place = sql.Identifier(row.schema, draft_name(row.id))
    with as_builder(work, row.name) as cursor:
        clear_draft(cursor, row)
        drafts.build_passing(cursor, place, query)


def clear_draft(cursor: Cursor, row: DatamartRow) -> None:
    """Drop what a refresh left that died half-way.

    Raises:
        Conflict: somebody else made it.
    """
    left = find(cursor, row.schema, draft_name(row.id))
    if left is not None:
        if not ours.is_made_by_us(cursor, left):
            raise Conflict(f"{left.address} has the name under which '{row.name}' is built; rename or drop it")
        swap.drop(cursor, left)


def draft_of(cursor: Cursor, row: DatamartRow) -> Relation:
    """What was built a moment ago."""
    return known(find(cursor, row.schema, draft_name(row.id)))


def known(found: Relation | None) -> Relation:
    """What was built a moment ago."""
    if found is None:
        raise DependencyUnavailable("What was built has vanished; try again shortly")
    return found


@contextmanager
def _refusals(work: Work, name: str) -> Iterator[None]:
    """What PostgreSQL says of a user's query, in its own words and without the query."""
    try:
        yield
    except psycopg2.errors.QueryCanceled:
        raise SourceError(f"The query of datamart '{name}' took longer than {BUILD_TIME_LIMIT}") from None
    except psycopg2.errors.ConfigurationLimitExceeded:
        raise SourceError(f"The query of datamart '{name}' needs more temporary space than it may have") from None
    except (psycopg2.errors.DuplicateTable, psycopg2.errors.DuplicateObject) as error:
        raise DependencyUnavailable(f"An earlier refresh of '{name}' is still ending; try again shortly") from error
    except psycopg2.errors.UndefinedTable as error:
        with work.warehouse("dataops build", role="builder") as connection, connection.cursor() as cursor:
            told = elsewhere.undefined(cursor, error.diag.message_primary or "")
        raise SourceError(f"The query of datamart '{name}' was refused: {told}") from None
    except psycopg2.OperationalError:
        raise
    except psycopg2.Error as error:
        raise SourceError(f"The query of datamart '{name}' was refused: {error.diag.message_primary}") from None
