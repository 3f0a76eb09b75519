"""Export rows of the warehouse as an Excel workbook, which its link then opens. Source: document 000, "Excel"."""

from datetime import UTC, datetime

from dataops_defs.adapters.storage.exports import ExportStore, place_of
from dataops_defs.adapters.warehouse.books import enter
from dataops_defs.adapters.workbook.texts import counted
from dataops_defs.catalogue.export_rows import ExportRow
from dataops_defs.catalogue.exports import Exports
from dataops_defs.domain.export import Wanted
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.run import RunKind
from dataops_defs.errors import Conflict, DependencyUnavailable
from dataops_defs.flows.export_contents import Asked, Written, write_workbook
from dataops_defs.flows.export_tables import Tables
from dataops_defs.flows.outcome import Outcome
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.work import Step, Work

REVOKED = "The export was revoked; ask for it anew"


def export_workbook(work: Work, export_id: str) -> Outcome:
    """Make the workbook of an export; it appears whole, or not at all.

    Raises:
        Conflict: the export was revoked meanwhile.
    """
    with work.platform.catalogue() as session:
        row = Exports(session).get(export_id)
    _refuse_revoked(row)
    work.say(f"Exporting '{row.title}' as {row.file_name}")
    return work.do(RunKind.EXPORT, row.id, row.file_name, lambda step: _export(work, step, row))


def _export(work: Work, step: Step, row: ExportRow) -> Outcome:
    store = ExportStore(work.platform.settings.exports_path)
    place = place_of(row.id, work.lease.epoch)
    wanted, taken_at = Wanted.from_json(row.wanted), datetime.now(UTC)
    most = min(wanted.max_rows or work.platform.settings.export_max_rows, work.platform.settings.export_max_rows)
    with store.create(place, writer=step.id) as file:
        asked = Asked(row.requested_by, taken_at, work.run_id)
        written = write_workbook(file, wanted, Tables(work, step, most), asked)
    outcome = _outcome(row, written, store.size(place), taken_at)
    try:
        with work.warehouse("dataops export") as connection:
            enter(connection, step.entry("export", row.id, outcome.uri), outcome.ledger, outcome.as_json())
            replaced = _note(work.platform, row.id, place, outcome, written)
    except DependencyUnavailable:
        raise  # the ledger may have it: the next try looks
    except Exception:
        store.delete(place)
        raise
    if replaced and replaced != place:
        store.delete(replaced)
    rows, sheets = counted(written.rows, "row"), counted(len(written.sheets), "sheet")
    work.say(f"{row.file_name}: {rows} on {sheets}, {outcome.bytes:,} bytes")
    return outcome


def _outcome(row: ExportRow, written: Written, size: int, taken_at: datetime) -> Outcome:
    passed_over = written.rows_read - written.rows
    return Outcome(
        ledger=Ledger(read=written.rows_read, inserted=written.rows, filtered=passed_over).balanced(),
        assets=[],
        uri=f"export:{row.file_name}",
        bytes=size,
        total_rows=written.rows,
        taken_at=taken_at,
        details={"sheets": list(written.sheets), "rowsLeftOut": written.left_out},
    )


def _note(platform: Platform, id: str, place: str, outcome: Outcome, written: Written) -> str | None:
    """Write down where the file lies; where an earlier worker's lay."""
    with platform.catalogue() as session:
        row = Exports(session).get(id, lock=True)
        _refuse_revoked(row)
        before, row.place, row.size_bytes = row.place, place, outcome.bytes
        row.rows_exported, row.rows_left_out, row.sheets = written.rows, written.left_out, list(written.sheets)
        return before


def _refuse_revoked(row: ExportRow) -> None:
    if row.revoked_at is not None:
        raise Conflict(REVOKED)
