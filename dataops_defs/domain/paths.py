"""Dotted paths: into the nested values of a dataset (``address.city``, ``tags[0]``), and into nested properties."""

import re
from collections.abc import Collection
from dataclasses import dataclass

Step = str | int
PLACE = "#"
"""The step after the path of an exploded list that stands for the element's place in it, counted from 1."""
MAX_STEPS = 20
_STEP = re.compile(r"\.([^.\[\]]+)|\[([0-9]{1,6})\]")


@dataclass(frozen=True)
class Location:
    """A column, and the way into its values: names of fields and places in lists, counted from 0."""

    column: str
    steps: tuple[Step, ...] = ()


def located(path: str, columns: Collection[str]) -> Location | None:
    """Where a path leads: the column of that very name, else into the column whose name is the longest beginning.

    None where no column's name is a beginning, or the rest is no path.
    """
    if path in columns:
        return Location(path)
    for at in range(len(path) - 1, 0, -1):
        if path[at] in ".[" and path[:at] in columns:
            steps = steps_of(path[at:])
            return None if steps is None else Location(path[:at], steps)
    return None


def steps_of(rest: str) -> tuple[Step, ...] | None:
    """The steps of what follows a column's name; None when it is no path."""
    found = _STEP.findall(rest)
    if len(found) > MAX_STEPS or "".join(f".{name}" if name else f"[{place}]" for name, place in found) != rest:
        return None
    return tuple(name or int(place) for name, place in found)


def written(steps: Collection[Step]) -> str:
    """The steps as they are written."""
    return "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in steps)


def below(path: str, top: str) -> str | None:
    """The rest of a path that begins with another one; None when it does not."""
    if path == top:
        return ""
    return path[len(top) :] if path.startswith((f"{top}.", f"{top}[")) else None
