"""What a run says of those parts of its work that failed."""

from collections.abc import Sequence

MOST_NAMED = 5
LONGEST_REASON = 300


def named(failures: Sequence[tuple[str, str | None]]) -> str:
    """The first few, each by its name with its reason, and how many more there are."""
    some = [f"{name}: {(reason or '')[:LONGEST_REASON]}" for name, reason in failures[:MOST_NAMED]]
    more = f"; and {len(failures) - MOST_NAMED} more" if len(failures) > MOST_NAMED else ""
    return "; ".join(some) + more
