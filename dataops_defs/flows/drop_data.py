"""Drop what deleted definitions left behind: tables and views of the warehouse, and raw copies."""

from collections.abc import Callable, Mapping
from functools import partial

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from dataops_defs.adapters.datamarts import relations, swap
from dataops_defs.adapters.datamarts.locks import patiently
from dataops_defs.adapters.storage.raw_copy import folder_of
from dataops_defs.adapters.warehouse.books import enter
from dataops_defs.adapters.warehouse.purge import copies_in_ledger
from dataops_defs.catalogue.datamarts import Datamarts
from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.catalogue.object_types import ObjectTypes
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.leftover import LEFTOVERS, Leftover, LeftoverKind
from dataops_defs.domain.naming import dataset_key
from dataops_defs.domain.object_type import SCHEMA
from dataops_defs.domain.run import RunKind
from dataops_defs.errors import Conflict
from dataops_defs.flows.drop_datamarts import drop_datamart
from dataops_defs.flows.outcome import Outcome
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.purge_raw import OURS
from dataops_defs.flows.work import Step, Work


def drop_data(work: Work, _subject_id: str) -> None:
    """Drop all that the run's request names, one after the other; what is gone already counts as no row.

    Source: DECISIONS 30.
    """
    with work.platform.catalogue() as session:
        asked = Runs(session).get(work.run_id).parameters[LEFTOVERS]
    leftovers = [Leftover.from_json(each) for each in asked]
    work.expect_steps(len(leftovers))
    for each in leftovers:
        work.say(f"Dropping {each.place}, which '{each.name}' left behind")
        work.do(RunKind.DROP, each.subject_id, each.name, partial(DROPS[each.kind], work, each))


def _drop_relation(work: Work, leftover: Leftover, step: Step) -> Outcome:
    """Wait for the moment when nobody reads it; whoever wants the run to end need not wait for that."""
    patience = float(work.platform.settings.max_runtime_seconds)

    def heed() -> None:
        _refuse_when_used_again(work.platform, leftover)
        step.progress(0)

    with work.warehouse("dataops drop") as connection, connection.cursor() as cursor:
        drop = drop_datamart if leftover.kind is LeftoverKind.DATAMART else _drop_table
        rows = drop(cursor, leftover, heed, patience)
        gone = [leftover.asset] if leftover.asset else []
        outcome = Outcome(ledger=Ledger(deleted=rows), assets=[], uri=f"warehouse:{leftover.place}", gone=gone)
        enter(connection, step.entry("drop", leftover.subject_id, leftover.place), outcome.ledger, outcome.as_json())
    return outcome


def _drop_table(cursor: Cursor, leftover: Leftover, heed: Callable[[], None], patience_seconds: float) -> int:
    rows, found = 0, relations.find(cursor, *leftover.relation)

    def drop() -> None:
        nonlocal rows
        heed()
        if found is not None and found.type is not None:
            rows = relations.content_of(cursor, found).rows
            swap.drop(cursor, found)

    patiently(cursor, leftover.place, drop, patience_seconds)
    return rows


def _refuse_when_used_again(platform: Platform, leftover: Leftover) -> None:
    schema, name = leftover.relation
    with platform.catalogue() as session:
        kind = ObjectTypes(session).by_slug(name) if schema == SCHEMA else None
        datamart = Datamarts(session).at(schema, name)
    if kind is not None:
        raise Conflict(f"{leftover.place} belongs to the object type '{kind.name}', which was made since")
    if datamart is not None:
        raise Conflict(f"{leftover.place} belongs to the datamart '{datamart.name}', which was made since")


def _is_used_again(platform: Platform, leftover: Leftover) -> bool:
    """Whether another dataset is shown where the deleted one was."""
    with platform.catalogue() as session:
        found = Datasets(session).by_slug(leftover.asset[-1])
    return found is not None and dataset_key(found.app, found.slug) == leftover.asset


def _drop_copies(work: Work, leftover: Leftover, step: Step) -> Outcome:
    """The ledger's row comes last: whoever continues after a crash finds fewer copies, and drops the others."""
    store = work.platform.raw_store
    with work.warehouse("dataops drop") as connection:
        accounted = copies_in_ledger(connection, leftover.subject_id)
        places = {leftover.place, *map(folder_of, accounted)}
        found = [copy for place in places for copy in store.copies(place)]
        copies = [copy for copy in found if copy.uri in accounted or OURS.fullmatch(copy.name)]
        for number, copy in enumerate(copies, 1):
            store.delete(copy.uri)
            step.progress(number)
        outcome = Outcome(
            ledger=Ledger(),
            assets=[],
            uri=leftover.place,
            bytes=sum(copy.bytes for copy in copies),
            counts={"copies": len(copies)},
            gone=[leftover.asset] if leftover.asset and not _is_used_again(work.platform, leftover) else [],
        )
        enter(connection, step.entry("drop", leftover.subject_id, leftover.place), outcome.ledger, outcome.as_json())
    return outcome


DROPS: Mapping[LeftoverKind, Callable[[Work, Leftover, Step], Outcome]] = {
    LeftoverKind.RELATION: _drop_relation,
    LeftoverKind.DATAMART: _drop_relation,
    LeftoverKind.RAW_COPIES: _drop_copies,
}
