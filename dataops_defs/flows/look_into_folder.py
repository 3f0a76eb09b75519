"""A look into a watched folder: the matching files, and the reason when it cannot be read."""

from dataops_defs.adapters.storage.roots import list_files
from dataops_defs.catalogue.watches import FoundFile, Watches
from dataops_defs.errors import DataOpsError
from dataops_defs.flows.platform import Platform


def look_into_folder(platform: Platform, watch_id: str) -> list[FoundFile]:
    """The files that match, each with a mark that changes when it changes; a failure is kept with the watch."""
    with platform.catalogue() as session:
        row = Watches(session).get(watch_id)
    patterns = [each["pattern"] for each in row.patterns]
    try:
        listed = list_files(platform.settings.roots, row.folder, patterns, recursive=row.recursive)
    except DataOpsError as error:
        _note(platform, watch_id, str(error))
        raise
    if row.last_error:
        _note(platform, watch_id, None)
    return [FoundFile(each.path, f"{each.size}-{each.modified}", each.size) for each in listed]


def _note(platform: Platform, watch_id: str, error: str | None) -> None:
    with platform.catalogue() as session:
        Watches(session).get(watch_id).last_error = error
