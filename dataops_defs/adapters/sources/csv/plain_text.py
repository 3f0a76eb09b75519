"""Whether a file is text at all: one verdict, from its beginning, for previews, imports and sources."""

import re

from dataops_defs.adapters.sources.files.formats import format_by_content
from dataops_defs.errors import SourceError

LOOKED_AT = 64 * 1024
# A text may hold a stray control character, not one in every hundred; of a short one, a share says little.
FEWEST_PER_STRANGE = 100
FEW = 3
_STRANGE = re.compile("[\x00-\x08\x0e-\x19\x1c-\x1f]")
_FIRST_ROW = re.compile(r"[^\r\n]*")
NO_TEXT = "it is no text: it holds NUL or other control characters; if it is UTF-16, name the encoding"


def check_bytes(head: bytes) -> None:
    """Refuse what begins as files of another format do, whatever the name says.

    Raises:
        SourceError: naming that format.
    """
    if (found := format_by_content(head)) is not None:
        raise SourceError(f"it is no text: it begins as {found} files do; give it a name that says so")


def check_text(text: str, delimiter: str | None) -> None:
    """Refuse decoded text whose first row holds control characters, or that is full of them.

    One that stands somewhere in a row is text: whoever cannot keep it rejects that row.

    Args:
        text: the beginning of the file, from its first row on.
        delimiter: that was named; it may be a control character itself.
    Raises:
        SourceError: with one reason.
    """
    text = text[:LOOKED_AT].replace(delimiter or ",", ",")
    first = _FIRST_ROW.match(text)
    in_first = first is not None and _STRANGE.search(first[0])
    if in_first or len(_STRANGE.findall(text)) > max(FEW, len(text) // FEWEST_PER_STRANGE):
        raise SourceError(NO_TEXT)
