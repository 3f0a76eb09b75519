"""Refresh a datamart: its query runs as the builder role, and readers see the old rows or the new ones, never a part.

Source: document 000, "Datamart Management"; SAFETY design, section 4 step 7. Which method is taken, and what each
costs whom, is told in ``place_datamart`` and shown in every answer.
"""

from contextlib import suppress
from datetime import datetime
from typing import Any

import psycopg2

from dataops_defs.adapters.datamarts import relations, turns
from dataops_defs.adapters.sql.guard import check_query, tables_of
from dataops_defs.adapters.warehouse.books import enter
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.datamarts import Datamarts
from dataops_defs.catalogue.models import DatamartRow
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.columns import Column
from dataops_defs.domain.datamart import RefreshMethod
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.naming import AssetPath
from dataops_defs.domain.run import RunKind
from dataops_defs.errors import DataOpsError
from dataops_defs.flows.datamart_outcome import datamart_outcome
from dataops_defs.flows.lineage import lineage_of
from dataops_defs.flows.outcome import Outcome
from dataops_defs.flows.place_datamart import Placed, discard_draft, place
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.publish_version import publish_version
from dataops_defs.flows.work import UNFINISHED, Step, Work, sentence

CONCURRENT = "concurrent"
VERSION = "version_id"


def refresh_datamart(work: Work, datamart_id: str) -> Outcome:
    """Fill a datamart again, or publish the version of it that the run asks for.

    Raises:
        Conflict: it is versioned, and no version is asked for; or what is built on it does not fit its new columns.
        SourceError: PostgreSQL refuses the query; the message is its own.
    """
    with work.platform.catalogue() as session:
        row = Datamarts(session).get(datamart_id)
        asked = Runs(session).get(work.run_id).parameters
    if row.versioned:
        return publish_version(work, row, asked.get(VERSION))
    concurrently = bool(asked.get(CONCURRENT, row.refresh_concurrently))
    work.say(f"Refreshing datamart {row.schema}.{row.slug}")
    try:
        outcome = work.do(RunKind.REFRESH, row.id, row.name, lambda step: _refresh(work, step, row, concurrently))
    except UNFINISHED:
        raise
    except Exception as error:
        note_failure(work.platform, row.id, sentence(error))
        raise
    work.say(f"Method: {outcome.details['method']}. {outcome.details['reason']}")
    _note(work.platform, row.id, outcome)
    return outcome


def _refresh(work: Work, step: Step, row: DatamartRow, concurrently: bool) -> Outcome:
    query = check_query(row.query, allowed_functions=work.platform.settings.allowed_functions)
    with work.warehouse("dataops refresh") as owner:
        with owner.cursor() as cursor:
            asked = turns.moment(cursor)
            turns.take_turn(cursor, row.id)
            began = turns.moment(cursor)
            earlier = turns.last_outcome(cursor, row.id)
            is_there = relations.find(cursor, row.schema, row.slug) is not None
            columns = relations.columns_of(cursor, tables_of(query))
        if is_there and _began(earlier) > asked:
            outcome = _joined(earlier)
        else:
            lineage = lineage_of(work.platform, query, columns)  # before anything is locked
            try:
                placed = place(work, owner, row, query, concurrently)
            except Exception:
                with suppress(DataOpsError, psycopg2.Error):
                    owner.rollback()
                    discard_draft(work.platform, row)
                raise
            outcome = _outcome(row, placed, lineage, began)
        enter(owner, step.entry("datamart", row.id, f"{row.schema}.{row.slug}"), outcome.ledger, outcome.as_json())
    return outcome


def _began(outcome: dict[str, Any]) -> datetime:
    began = outcome.get("details", {}).get("began")
    return datetime.fromisoformat(began if began else "0001-01-01T00:00:00+00:00")


def _joined(earlier: dict[str, Any]) -> Outcome:
    reason = "Another refresh began after this one was asked for: its rows are as new"
    details = {**earlier["details"], "method": str(RefreshMethod.JOINED), "reason": reason}
    return Outcome.from_json(Ledger(), {**earlier, "details": details})


def _outcome(
    row: DatamartRow, placed: Placed, lineage: dict[str, list[tuple[AssetPath, str]]], began: datetime
) -> Outcome:
    details = {"method": str(placed.method), "reason": placed.reason, "began": began.isoformat()}
    return datamart_outcome(row, placed.ledger, placed.content, lineage, details)


def _note(platform: Platform, id: str, done: Outcome) -> None:
    with platform.catalogue() as session:
        row = Datamarts(session).get(id, lock=True)
        row.last_refreshed_at, row.rows_count, row.size_bytes = now(), done.total_rows or 0, done.bytes or 0
        row.last_error, row.last_method = None, done.details["method"]
        if not relations.same_columns([Column.from_json(each) for each in row.columns or []], done.columns):
            row.columns = [each.as_json() for each in done.columns]


def note_failure(platform: Platform, id: str, reason: str) -> None:
    """Keep why the last refresh failed, for whoever looks at the datamart; its rows are those of before."""
    with platform.catalogue() as session:
        row = Datamarts(session).find(id, lock=True)
        if row is not None:
            row.last_error = reason
