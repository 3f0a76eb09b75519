"""Import a file: each version once, complete or not at all."""

from collections.abc import Mapping
from typing import Any

from dataops_defs.adapters.importing.content import opened_content
from dataops_defs.catalogue.import_rows import ImportRow
from dataops_defs.catalogue.imports import Imports
from dataops_defs.catalogue.watches import Watches
from dataops_defs.domain.importing import FileState, ImportState, LoadMode
from dataops_defs.domain.run import RunKind
from dataops_defs.errors import NotFound, SourceError
from dataops_defs.flows.import_load import load_import
from dataops_defs.flows.import_mail import tell
from dataops_defs.flows.outcome import Outcome
from dataops_defs.flows.places import open_place
from dataops_defs.flows.work import UNFINISHED, Step, Work, sentence


class Outdated(SourceError):
    """A file that a watch has found was changed, moved or taken away: the next look says what there is."""


FILE_STATES = {
    ImportState.COMPLETED: FileState.IMPORTED,
    ImportState.FAILED: FileState.FAILED,
    ImportState.SKIPPED: FileState.SKIPPED,
}


def import_file(work: Work, import_id: str) -> Outcome:
    """Load the file of an import that was asked for into its target, and tell whoever wants to know.

    Source: document 000, "Auto-Import File".
    """
    try:
        outcome = load_file(work, import_id)
    except (*UNFINISHED, NotFound):
        raise
    except Exception as error:
        tell(work.platform, [end_import(work, import_id, ImportState.FAILED, {}, sentence(error))])
        raise
    with work.platform.catalogue() as session:
        row = Imports(session).get(import_id)
    tell(work.platform, [row])
    return outcome


def load_file(work: Work, import_id: str) -> Outcome:
    """Load the file of an import, and note that it is done; whoever calls it notes what went wrong."""
    with work.platform.catalogue() as session:
        row = Imports(session).begin(import_id, work.run_id)
        if not row.state.ended:
            Watches(session).imported(row.id, FileState.IMPORTING)
    work.say(f"Importing {row.path} into {row.target}")
    outcome = work.do(RunKind.IMPORT, row.id, row.path, lambda step: _load(work, step, row))
    copied = outcome.details.get("copyOf")
    state = ImportState.SKIPPED if copied else ImportState.COMPLETED
    said = f"It has the content of {copied}, which is imported already" if copied else None
    end_import(work, row.id, state, _values(outcome), said)
    return outcome


def end_import(
    work: Work, import_id: str, state: ImportState, values: Mapping[str, Any], error: str | None
) -> ImportRow:
    """Note what became of an import, in its row, with its file and with its target; once."""
    with work.platform.catalogue() as session:
        imports = Imports(session)
        ended = imports.end(import_id, state, values, error)
        if ended.unchanged:
            imports.describe_like_loader(ended)
        if ended.state is ImportState.COMPLETED:
            imports.note_target(ended)
            if ended.mode is LoadMode.REPLACE:
                Watches(session).superseded(ended)
        Watches(session).imported(ended.id, FILE_STATES[ended.state], ended.error)
        return ended


def _load(work: Work, step: Step, row: ImportRow) -> Outcome:
    with open_place(work.platform, row.path, during=work.lease.reading) as place:
        found = place.files.entry(place.path)
        if row.fingerprint is not None and (found is None or found.mark != row.fingerprint):
            raise Outdated(f"{row.path} is not there any more as it was found")
        limit = work.platform.settings.max_file_bytes
        with opened_content(place.files, place.path, row.reading, limit) as content:
            return load_import(work, step, row, content)


def _values(outcome: Outcome) -> dict[str, Any]:
    """What the row keeps of an outcome; of content that the target held already, the earlier import has the rest."""
    details = outcome.details
    return {
        "content_hash": details["contentHash"],
        "size_bytes": details["sizeBytes"],
        "rows_imported": outcome.ledger.inserted + outcome.ledger.unchanged,
        "rows_rejected": outcome.ledger.rejected,
        "inferred_schema": dict(details["schema"]) or None,
        "explanations": dict(details["explanations"]) or None,
        "uri": outcome.uri or None,
        "unchanged": details["unchanged"],
        "suspect": details["suspect"],
        "note": details.get("note"),
    }
