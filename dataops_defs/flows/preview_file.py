"""A look into a file that lies below a mount or a root: a bounded read, with no run."""

from contextlib import nullcontext
from functools import partial

from dataops_defs.adapters.line import During
from dataops_defs.adapters.preview.look import Content, look_into
from dataops_defs.adapters.preview.shown import Asked, Shown
from dataops_defs.adapters.storage.files import UNKNOWN, Entry
from dataops_defs.errors import Invalid, NotFound
from dataops_defs.flows.places import open_place
from dataops_defs.flows.platform import Platform


def preview_file(platform: Platform, path: str, asked: Asked, during: During = nullcontext) -> tuple[Entry, Shown]:
    """The file, and its form, columns and first rows.

    Args:
        path: as a user writes it.
        during: told of the line to a mount's server.
    Raises:
        Invalid: the path lies below no mount and no root, the file is none of rows, or a setting is unknown.
        NotFound: there is no such file.
        SourceUnavailable, SourceError: the mount does not answer, or refuses.
    """
    with open_place(platform, path, during=during) as place:
        entry = place.files.entry(place.path)
        if entry is None:
            raise NotFound(f"no such file: {path}")
        if entry.is_folder:
            raise Invalid.field("file_path", "names a folder, not a file")
        if path.endswith("/"):
            raise Invalid.field("file_path", "ends in a slash, as the path of a folder does; this is a file")
        if entry.size == UNKNOWN:
            raise Invalid.field("file_path", "cannot be looked into: its server does not tell how long it is")
        opened = partial(place.files.opened, entry)
        content = Content(entry.name, entry.size, opened, max_bytes=platform.settings.max_preview_bytes)
        return entry, look_into(content, asked, "file_path")
