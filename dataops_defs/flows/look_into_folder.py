"""A look into a watched folder: what lies there is noted, and the imports of what is complete are asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

from dataops_defs.adapters.importing.content import MANIFEST
from dataops_defs.adapters.storage.files import MAX_DEPTH
from dataops_defs.adapters.storage.glob import Glob
from dataops_defs.adapters.storage.mounts.files import MountedFiles
from dataops_defs.adapters.storage.roots import matches_any
from dataops_defs.adapters.storage.roots_files import RootFiles
from dataops_defs.catalogue.imports import Imports
from dataops_defs.catalogue.unfinished_imports import settle
from dataops_defs.catalogue.watches import FoundFile, Watches
from dataops_defs.errors import DataOpsError, SourceError
from dataops_defs.flows.ask_for_arrivals import Asking
from dataops_defs.flows.import_mail import tell
from dataops_defs.flows.outbox import Launch
from dataops_defs.flows.places import Place, open_place
from dataops_defs.flows.platform import Platform

MAX_FILES = 100_000
FIELD = "folder_path"


@dataclass(frozen=True)
class Look:
    """What a look found: how many files match, and the imports it has asked for."""

    matching: int
    launches: Sequence[Launch]


def look_into_folder(platform: Platform, watch_id: str) -> Look:
    """Look once. A folder that cannot be looked into leaves its watch degraded, and its files as they are.

    Raises:
        DataOpsError: it cannot be looked into; the reason is kept with the watch.
    """
    with platform.catalogue() as session:
        row = Watches(session).get(watch_id)
    try:
        with open_place(platform, row.folder, field=FIELD) as place:
            patterns = [each["pattern"] for each in row.patterns]
            listed = list_folder(place, patterns, recursive=row.recursive)
            found = [each for each in listed if not each.path.endswith(MANIFEST)]
            left_out = _left_out(place, patterns, recursive=row.recursive)
            with platform.catalogue() as session:
                Watches(session).note(watch_id, found, left_out)
            with platform.catalogue() as session:
                settle(session)
                untold = Imports(session).untold(watch_id)
            tell(platform, untold)
            with platform.catalogue() as session:
                launches = list(Asking(platform, session, row, place.files).launches())
    except DataOpsError as error:
        with platform.catalogue() as session:
            Watches(session).degrade(watch_id, str(error))
        raise
    return Look(len(found), launches)


def list_folder(place: Place, patterns: Sequence[str], *, recursive: bool) -> list[FoundFile]:
    """The files of a folder whose name matches one of the patterns, each with a mark that changes when it changes.

    Folders in it whose names begin with a dot are left out, as are such files unless a pattern begins with one.

    Raises:
        SourceError: there is no such folder, or it holds too many files. SourceUnavailable: its place does not answer.
    """
    folder = place.files.entry(place.path)
    if folder is None or not folder.is_folder:
        raise SourceError(f"no such folder: {place.path}")
    base = "" if place.path == "." else f"{place.path.rstrip('/')}/"
    found = []
    for each in place.files.matching(Glob(f"{base}**/*" if recursive else f"{base}*")):
        if not each.is_folder and matches_any(each.name, patterns) and _near(each.path.removeprefix(base)):
            found.append(FoundFile(each.path, each.mark, each.size))
        if len(found) > MAX_FILES:
            raise SourceError(f"folder {place.path} holds more than {MAX_FILES:,} matching files")
    return found


def _left_out(place: Place, patterns: Sequence[str], *, recursive: bool) -> str | None:
    """Which files can never be imported, in a sentence."""
    if not isinstance(place.files, RootFiles | MountedFiles):
        return None
    names = place.files.left_out(place.path, patterns, recursive=recursive)
    if not names:
        return None
    shown = ", ".join(f"'{each[:100]}'" for each in names[:3]) + (", …" if len(names) > 3 else "")
    return f"{len(names)} left out, rename to import: names with control characters, or not in UTF-8: {shown}"


def _near(path: str) -> bool:
    folders = path.split("/")[:-1]
    return len(folders) <= MAX_DEPTH and not any(name.startswith(".") for name in folders)
