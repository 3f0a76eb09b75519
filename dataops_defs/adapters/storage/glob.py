"""Patterns of paths: ``*`` stands for any part of one name, ``**`` for any folders; all else stands for itself."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dataops_defs.errors import Invalid

MAX_PATTERN = 1024
MAX_STARS = 8
_ANY = re.compile(r".+", re.DOTALL)


def is_pattern(path: str) -> bool:
    """Whether a path stands for several files."""
    return "*" in path


def check_below(path: str, *, field: str = "extraction.path") -> None:
    """Refuse a path or pattern that leads out of the folder it is meant for, or is slow to match.

    Raises:
        Invalid: naming ``field``.
    """
    if path.startswith("/"):
        raise Invalid.field(field, "is a path below the source's folder, without a leading slash")
    if not path or len(path) > MAX_PATTERN or path.count("*") > MAX_STARS:
        raise Invalid.field(field, f"has 1 to {MAX_PATTERN} characters and at most {MAX_STARS} stars")
    if ".." in path.replace("\\", "/").split("/") or any(ord(each) < 32 for each in path):
        raise Invalid.field(field, "must not hold '..' or control characters")


@dataclass(frozen=True)
class Glob:
    """A pattern of whole paths; ``folder`` is what stands before its first star, up to the last slash there."""

    pattern: str

    @property
    def literal(self) -> str:
        """What every path begins with."""
        return self.pattern.partition("*")[0]

    @property
    def folder(self) -> str:
        """The folder below which all paths lie; empty for none."""
        return self.literal.rpartition("/")[0]

    @property
    def recursive(self) -> bool:
        """Whether folders below that one have to be looked into."""
        return "/" in self.pattern[len(self.literal) :] or "**" in self.pattern

    def matches(self, path: str) -> bool:
        """Whether the pattern stands for this path."""
        return len(self._parts) in self._reached(path)

    def leads_to(self, folder: str) -> bool:
        """Whether something below this folder may match."""
        return bool(self._reached(folder) - {len(self._parts)})

    @property
    def _parts(self) -> Sequence[re.Pattern[str] | None]:
        """One for each name; None for any folders. At the end of a pattern ``**`` stands for any file below too."""
        names = self.pattern.split("/")
        parts = [None if name == "**" else _name(name) for name in names]
        return [*parts, _ANY] if parts[-1] is None else parts

    def _reached(self, path: str) -> set[int]:
        """How many parts of the pattern the path may have used up."""
        parts = self._parts
        reached = _skipping({0}, parts)
        for name in path.split("/"):
            stepped = set()
            for place in reached:
                part = parts[place] if place < len(parts) else _NOTHING
                if part is None:
                    stepped.add(place)
                elif part.fullmatch(name):
                    stepped.add(place + 1)
            reached = _skipping(stepped, parts)
        return reached


_NOTHING = re.compile(r"(?!)")


def _skipping(reached: set[int], parts: Sequence[re.Pattern[str] | None]) -> set[int]:
    """With the places after ``**``, which also stands for no folder at all."""
    found = set(reached)
    for place in range(len(parts)):
        if place in found and parts[place] is None:
            found.add(place + 1)
    return found


def _name(pattern: str) -> re.Pattern[str]:
    """A pattern of one name; no part of it is tried twice, so that no name is slow to match."""
    first, *others = re.split(r"\*+", pattern)
    if not others:
        return re.compile(re.escape(first))
    *middle, last = others
    inner = "".join(f"(?>.*?{re.escape(part)})" for part in middle)
    return re.compile(f"{re.escape(first)}{inner}.*{re.escape(last)}", re.DOTALL)
