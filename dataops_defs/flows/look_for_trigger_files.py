"""A look into the folder of a file trigger: which versions of files have settled and were not taken yet."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from dataops_defs.adapters.storage.roots import check_pattern
from dataops_defs.catalogue.trigger_firings import Firings
from dataops_defs.catalogue.triggers import Triggers
from dataops_defs.catalogue.watches import FoundFile
from dataops_defs.errors import Invalid, SourceError
from dataops_defs.flows.look_into_folder import list_folder
from dataops_defs.flows.places import open_place
from dataops_defs.flows.platform import Platform

FIELD = "file.folder_path"
MOST_WAITING = 1_000
"""So many new files are kept in mind between two looks; those after them are new again at the next one."""


@dataclass(frozen=True)
class Look:
    """What a look found: how many files match, a digest of them all, and the new ones by their occasion."""

    files: int
    digest: str
    new: Mapping[str, str]


def look(platform: Platform, trigger_id: str, digest: str | None = None) -> Look | None:
    """Look; None where the folder is as it was when it had that digest.

    Raises:
        SourceError: the folder cannot be read.
        NotFound: the trigger is gone.
    """
    with platform.catalogue() as session:
        wanted = Triggers(session).get(trigger_id).file or {}
    found = matching(platform, wanted)
    occasions = {occasion_of(each): each.path for each in found}
    now = sha256("\n".join(occasions).encode()).hexdigest()
    if now == digest:
        return None
    with platform.catalogue() as session:
        known = Firings(session).known(trigger_id, occasions)
    new = {occasion: path for occasion, path in occasions.items() if occasion not in known}
    return Look(len(found), now, dict(list(new.items())[:MOST_WAITING]))


def matching(platform: Platform, wanted: Mapping[str, Any]) -> Sequence[FoundFile]:
    """The files that a file trigger looks for, below a root of local files or a mount.

    Raises:
        Invalid: the folder lies outside of what may be read.
        SourceError: it cannot be read, or its mount does not answer.
    """
    with open_place(platform, wanted["folder_path"], field=FIELD) as place:
        return list_folder(place, wanted["patterns"], recursive=wanted["recursive"])


def occasion_of(file: FoundFile) -> str:
    """A version of a file, by its path, and by its size and the time it was changed, as far as its place tells."""
    version = f"{file.path}\0{file.fingerprint}"
    return f"file:{sha256(version.encode(errors='surrogateescape')).hexdigest()[:40]}"


def settled(new: Mapping[str, str], before: Collection[str]) -> dict[str, str]:
    """Those that an earlier look found the same: they are not being written any more."""
    return {occasion: path for occasion, path in new.items() if occasion in before}


def occasions_there(platform: Platform, wanted: Mapping[str, Any]) -> list[str]:
    """The versions that are there when a trigger is made: it fires for what comes later.

    Raises:
        Invalid: there is no such folder, it may not be read, or a pattern is none.
    """
    for pattern in wanted["patterns"]:
        check_pattern(pattern, field="file.patterns")
    try:
        return [occasion_of(each) for each in matching(platform, wanted)]
    except SourceError as error:
        raise Invalid.field(FIELD, str(error)) from None
