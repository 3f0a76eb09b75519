"""Names of columns, as a first row gives them."""

from collections.abc import Sequence


def unique_names(names: Sequence[str | None]) -> tuple[str, ...]:
    """Column names as people expect them: trimmed, an empty one ``column_<place>``, a repeated one with ``_2``."""
    made: list[str] = []
    taken = {name.strip() for name in names if name and name.strip()}
    seen: set[str] = set()
    for place, given in enumerate(names, start=1):
        name = (given or "").strip() or f"column_{place}"
        unique, number = name, 1
        while unique in seen or (number > 1 and unique in taken):
            number += 1
            unique = f"{name}_{number}"
        seen.add(unique)
        made.append(unique)
    return tuple(made)
