"""Mail about an import that has ended, to whoever its request or its watch names."""

from dataops_defs.adapters import mail
from dataops_defs.adapters.undelivered import Undelivered
from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.import_rows import ImportRow
from dataops_defs.catalogue.imports import Imports
from dataops_defs.domain.importing import ImportState, public_import_id
from dataops_defs.domain.mail import Mail
from dataops_defs.flows.platform import Platform

NO_SERVER = "No mail server is set: an administrator has to set DATAOPS_SMTP_URL and DATAOPS_SMTP_FROM"
MAX_COLUMNS = 50
_WORDS = {
    ImportState.COMPLETED: "imported",
    ImportState.FAILED: "not imported",
    ImportState.SKIPPED: "skipped, it is a copy",
}


def tell(platform: Platform, row: ImportRow) -> None:
    """Send the mail, once; that it could not be sent is kept with the import, which it does not fail."""
    if row.notification_email is None or row.notified_at is not None:
        return
    server = platform.settings.mail_server
    try:
        if server is None:
            raise Undelivered(NO_SERVER)
        mail.send(server, message_of(row))
    except Undelivered as error:
        _note(platform, row.id, str(error))
    else:
        _note(platform, row.id, None)


def message_of(row: ImportRow) -> Mail:
    """What the mail says: what became of the file, how many rows, which were refused, and why."""
    what = _WORDS.get(row.state, str(row.state))
    lines = [
        f"File:      {row.path}",
        f"Target:    {row.target}",
        f"Status:    {row.state}" + (" (the target held this content already)" if row.unchanged else ""),
    ]
    if row.rows_imported is not None:
        lines.append(f"Rows:      {row.rows_imported:,} imported, {row.rows_rejected or 0:,} rejected")
    if row.error:
        lines.append(f"Reason:    {row.error}")
    if row.suspect:
        lines.append(f"Warning:   {row.suspect}")
    if row.note:
        lines.append(f"Note:      {row.note}")
    lines.append(f"Import:    {public_import_id(row.id)}")
    if row.rows_rejected:
        lines += ["", f"Rejected rows: GET /api/v1/mvp/storage/imports/{public_import_id(row.id)}/rejects"]
    if row.inferred_schema:
        lines += ["", "Columns:"]
        lines += [f"  {name}: {kind}" for name, kind in list(row.inferred_schema.items())[:MAX_COLUMNS]]
    subject = f"{row.path.rpartition('/')[2]}: {what}"
    return Mail(f"import-{row.id}", [row.notification_email or ""], subject, "\n".join(lines) + "\n")


def _note(platform: Platform, import_id: str, error: str | None) -> None:
    with platform.catalogue() as session:
        row = Imports(session).get(import_id, lock=True)
        row.notification_error = error
        row.notified_at = now() if error is None else None
