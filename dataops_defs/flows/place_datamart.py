"""How the rows of a datamart's query take the place of those before: the choice of a method.

| kept as           | method                                                                                        |
|-------------------|-----------------------------------------------------------------------------------------------|
| not there yet     | ``build``                                                                                     |
| view              | ``replace``; ``swap`` where its columns changed                                               |
| table             | ``merge``; ``swap`` where its columns changed                                                 |
| materialized view | ``swap``, ``concurrently``, ``refresh``: the first that is possible                           |
| … ``concurrent``  | ``concurrently``, ``swap``, ``refresh``: the first that is possible                           |

``concurrently`` needs a unique key; ``swap`` needs that nothing but views is built on the datamart, which are bound
anew. Only ``refresh`` makes readers wait for as long as the query runs; a swap, for moments (``locks``).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.datamarts import keys, names, ours, relations, swap, turns
from dataops_defs.adapters.datamarts.locks import patiently
from dataops_defs.adapters.datamarts.merge import merge
from dataops_defs.adapters.datamarts.relations import Content, Relation, find
from dataops_defs.adapters.datamarts.views import replacing
from dataops_defs.adapters.sql.grouping import grouped_by
from dataops_defs.adapters.warehouse.fence import hold_fence
from dataops_defs.catalogue.models import DatamartRow
from dataops_defs.domain.datamart import DatamartType, RefreshMethod, columns_name, draft_name
from dataops_defs.domain.ledger import Ledger
from dataops_defs.errors import Conflict, SourceError
from dataops_defs.flows.build_draft import as_builder, build_draft, build_passing_draft, clear_draft, draft_of
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.work import Work

_IN_ORDER = (RefreshMethod.SWAP, RefreshMethod.CONCURRENTLY, RefreshMethod.REFRESH)
_CONCURRENT = (RefreshMethod.CONCURRENTLY, RefreshMethod.SWAP, RefreshMethod.REFRESH)


@dataclass(frozen=True)
class Placed:
    """What was done, why in this way, and what lies there now."""

    method: RefreshMethod
    reason: str
    ledger: Ledger
    content: Content


class NotPossible(Exception):
    """This method cannot be taken here, for the reason told; the next one may."""


@dataclass(frozen=True)
class _Site:
    """Where it is done: as the owner in one transaction, which commits with the ledger, and as the builder."""

    work: Work
    owner: Connection
    row: DatamartRow
    query: str

    def builder(self) -> AbstractContextManager[Cursor]:
        """A transaction of the role that may run the query."""
        return as_builder(self.work, self.row.name)

    def hold_fence(self) -> None:
        """Before the builder commits: no later worker takes over between its commit and the owner's."""
        hold_fence(self.owner, self.work.run_id, self.work.lease.epoch)


def place(work: Work, owner: Connection, row: DatamartRow, query: str, concurrently: bool) -> Placed:
    """Have the query's rows under the datamart's name once the owner's transaction commits.

    Args:
        query: as the guard renders it.

    Raises:
        Conflict: nothing fits; the message says what is in the way.
        SourceError: PostgreSQL refuses the query, or something else has the name.
    """
    site = _Site(work, owner, row, query)
    with owner.cursor() as cursor:
        old = find(cursor, row.schema, row.slug)
        if old is not None and old.type is not row.type:
            raise SourceError(f"{row.schema}.{row.slug} exists already and is no {row.type}; rename the datamart")
        if old is not None and not ours.is_made_by_us(cursor, old):
            raise Conflict(ours.not_made_by_us(old.address))
        if old is None:
            names.refuse_where_a_type_is(cursor, row.schema, row.slug)
            return _swapped(site, cursor, None, RefreshMethod.BUILD, "There was nothing to replace")
        with site.builder() as builder:
            changed = relations.change_of(builder, query, old, (row.schema, columns_name(row.id)))
        if row.type is DatamartType.VIEW:
            return _view(site, cursor, old, fits=not changed)
        if row.type is DatamartType.TABLE:
            return _table(site, cursor, old, fits=not changed)
        return _materialized_view(site, cursor, old, changed, concurrently)


def discard_draft(platform: Platform, row: DatamartRow) -> None:
    """Drop what a failed refresh has built, unless the next one is at it already."""
    with platform.warehouse("dataops discard") as owner, owner.cursor() as cursor:
        if turns.take_free_turn(cursor, row.id):
            draft = find(cursor, row.schema, draft_name(row.id))
            if draft is not None and ours.is_made_by_us(cursor, draft):
                swap.drop(cursor, draft)


def _materialized_view(site: _Site, cursor: Cursor, old: Relation, changed: str | None, concurrently: bool) -> Placed:
    ways: dict[RefreshMethod, Callable[[], Placed]] = {
        RefreshMethod.CONCURRENTLY: lambda: _concurrently(site, cursor, old, changed),
        RefreshMethod.SWAP: lambda: _swap_if_free(site, cursor, old),
        RefreshMethod.REFRESH: lambda: _refresh_in_place(site, cursor, old, changed),
    }
    reasons: list[str] = []
    for method in _CONCURRENT if concurrently else _IN_ORDER:
        try:
            placed = ways[method]()
        except NotPossible as reason:
            reasons.append(str(reason))
        else:
            told = "; ".join([*(f"not {each}" for each in reasons), placed.reason])
            return Placed(placed.method, told[:1].upper() + told[1:], placed.ledger, placed.content)
    raise Conflict(f"{old.schema}.{old.name} cannot be refreshed: {'; '.join(reasons)}")


def _concurrently(site: _Site, cursor: Cursor, old: Relation, changed: str | None) -> Placed:
    if not old.populated or changed:
        raise NotPossible(f"concurrently: {changed if old.populated else 'it was never filled'}")
    try:
        with site.builder() as builder:
            by = "a unique index"
            if not keys.has_key(builder, old):
                columns = keys.make_key(builder, old, grouped_by(site.query))
                if columns is None:
                    raise NotPossible("concurrently: no columns of it are unique")
                by = f"a unique index made on {', '.join(columns)}"
            inserted, deleted = _refresh_by_key(builder, old)
            site.hold_fence()
    except _NoKey:
        with site.builder() as builder:
            patiently(builder, old.name, lambda: keys.drop_made_key(builder, old))
        raise NotPossible("concurrently: what was its unique key is none any more") from None
    relations.analyze(cursor, old)
    content = relations.content_of(cursor, old)
    new = min(inserted, content.rows)
    ledger = Ledger(read=content.rows, inserted=new, unchanged=content.rows - new, deleted=deleted)
    return Placed(RefreshMethod.CONCURRENTLY, f"only rows that differ were written, by {by}", ledger, content)


class _NoKey(Exception):
    """The new rows have one key twice."""


def _refresh_by_key(builder: Cursor, old: Relation) -> tuple[int, int]:
    """Rows inserted and deleted."""
    try:
        builder.execute(sql.SQL("REFRESH MATERIALIZED VIEW CONCURRENTLY {}").format(old.identifier))
    except (psycopg2.errors.UniqueViolation, psycopg2.errors.CardinalityViolation):
        raise _NoKey from None
    builder.execute(
        "SELECT pg_stat_get_xact_tuples_inserted(%(oid)s), pg_stat_get_xact_tuples_deleted(%(oid)s)", {"oid": old.oid}
    )
    [(inserted, deleted)] = builder.fetchall()
    return inserted, deleted


def _swap_if_free(site: _Site, cursor: Cursor, old: Relation) -> Placed:
    hindrance = swap.hindrance_to_swap(cursor, old)
    if hindrance:
        raise NotPossible(f"swapped: {hindrance}")
    cursor.execute("SAVEPOINT swapping")
    try:
        return _swapped(site, cursor, old, RefreshMethod.SWAP, "built beside and put in place in an instant")
    except Conflict as reason:
        cursor.execute("ROLLBACK TO SAVEPOINT swapping")
        clear_draft(cursor, site.row)
        raise NotPossible(f"swapped: {reason}") from None


def _refresh_in_place(site: _Site, cursor: Cursor, old: Relation, changed: str | None) -> Placed:
    if changed:
        raise NotPossible(f"refreshed in place: {changed}")
    refresh = sql.SQL("REFRESH MATERIALIZED VIEW {}").format(old.identifier)
    with site.builder() as builder:
        try:
            patiently(builder, old.address, lambda: builder.execute(refresh))
        except psycopg2.errors.UniqueViolation as error:
            index = error.diag.constraint_name
            raise NotPossible(f"refreshed in place: the new rows have one key twice, which {index} refuses") from None
        site.hold_fence()
    relations.analyze(cursor, old)
    content = relations.content_of(cursor, old)
    ledger = Ledger(read=content.rows, inserted=content.rows)
    return Placed(RefreshMethod.REFRESH, "readers waited while the query ran", ledger, content)


def _table(site: _Site, cursor: Cursor, old: Relation, *, fits: bool) -> Placed:
    if not fits:
        return _swapped(site, cursor, old, RefreshMethod.SWAP, "Its columns changed: it was built anew beside")
    build_passing_draft(site.work, site.row, site.query)
    draft = draft_of(cursor, site.row)
    try:
        merged = merge(cursor, draft, old)
    except psycopg2.IntegrityError as error:
        raise Conflict(f"{old.schema}.{old.name} does not take the new rows: {error.diag.message_primary}") from None
    swap.drop(cursor, draft)
    relations.analyze(cursor, old)
    content = relations.content_of(cursor, old)
    ledger = Ledger(
        read=content.rows,
        inserted=merged.inserted,
        unchanged=content.rows - merged.inserted,
        deleted=merged.deleted,
    )
    return Placed(RefreshMethod.MERGE, "Only rows that differ were written", ledger, content)


def _view(site: _Site, cursor: Cursor, old: Relation, *, fits: bool) -> Placed:
    if not fits:
        return _swapped(site, cursor, old, RefreshMethod.SWAP, "Its columns changed: it was made anew beside")
    with site.builder() as builder:
        content = relations.content_of_query(builder, site.query, old.columns)
        replace = replacing(builder, old.oid, sql.SQL(site.query))
        patiently(builder, old.address, lambda: builder.execute(replace))
        site.hold_fence()
    return Placed(RefreshMethod.REPLACE, "A view holds no rows of its own", Ledger(), content)


def _swapped(site: _Site, cursor: Cursor, old: Relation | None, method: RefreshMethod, reason: str) -> Placed:
    row = site.row
    content = build_draft(site.work, row, site.query, row.type)
    heir = swap.make_heir(cursor, draft_of(cursor, row), old) if old else None
    draft = draft_of(cursor, row)
    relations.analyze(cursor, draft)
    counted = content or relations.content_of(cursor, draft)
    if heir is None:
        swap.name_it(cursor, draft, row.slug)
    else:
        swap.put_in_place(cursor, heir)
    ledger = Ledger() if content else Ledger(read=counted.rows, inserted=counted.rows)
    return Placed(method, reason, ledger, counted)
