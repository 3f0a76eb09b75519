"""Mail about imports that have ended, to whoever their request or their watch names."""

from collections import Counter
from collections.abc import Sequence

from dataops_defs.adapters import mail
from dataops_defs.adapters.undelivered import Undelivered
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


def tell(platform: Platform, rows: Sequence[ImportRow]) -> None:
    """Send one mail to each address about those imports that have ended, once.

    That it could not be sent is kept with the imports, which it does not fail.
    """
    untold: dict[str, list[ImportRow]] = {}
    for row in rows:
        if row.state.ended and row.notification_email and row.notified_at is None:
            untold.setdefault(row.notification_email, []).append(row)
    server = platform.settings.mail_server
    for some in untold.values():
        try:
            if server is None:
                raise Undelivered(NO_SERVER)
            mail.send(server, message_of(some[0]) if len(some) == 1 else summary_of(some))
        except Undelivered as error:
            _note(platform, some, str(error))
        else:
            _note(platform, some, None)


def message_of(row: ImportRow) -> Mail:
    """What the mail says: what became of the file, how many rows, which were refused, and why."""
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
    subject = f"{row.path.rpartition('/')[2]}: {_word(row)}"
    return Mail(_id(row), [row.notification_email or ""], subject, "\n".join(lines) + "\n")


def summary_of(rows: Sequence[ImportRow]) -> Mail:
    """What the mail about several files says: what became of each, those first that were not imported."""
    counts = Counter(_word(row) for row in rows)
    told = ", ".join(f"{count} {word}" for word, count in counts.most_common())
    lines = [f"{len(rows)} files: {told}", ""]
    for row in sorted(rows, key=lambda row: (row.state is not ImportState.FAILED, row.path)):
        lines.append(f"{row.path}: {_word(row)}{_counts(row)}")
        lines += [f"  {said}" for said in (row.error, row.suspect, row.note) if said]
    lines += ["", "Rejected rows of an import: GET /api/v1/mvp/storage/imports/{import_id}/rejects"]
    folder = rows[0].path.rpartition("/")[0] or "/"
    return Mail(_id(rows[0]), [rows[0].notification_email or ""], f"{folder}: {told}", "\n".join(lines) + "\n")


def _counts(row: ImportRow) -> str:
    if row.rows_imported is None:
        return ""
    rejected = f", {row.rows_rejected:,} rejected" if row.rows_rejected else ""
    return f" into {row.target}: {row.rows_imported:,} rows{rejected} ({public_import_id(row.id)})"


def _word(row: ImportRow) -> str:
    return _WORDS.get(row.state, str(row.state))


def _id(row: ImportRow) -> str:
    return f"import-{row.id}"


def _note(platform: Platform, rows: Sequence[ImportRow], error: str | None) -> None:
    with platform.catalogue() as session:
        Imports(session).note_told([row.id for row in rows], error)
