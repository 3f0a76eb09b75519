"""Where a rejected row stands: waiting to be repaired, repaired, or read anew since."""

from enum import StrEnum


class RejectState(StrEnum):
    """``superseded``: a later sync or extraction has read all rows again, and speaks of this one itself."""

    OPEN = "open"
    REPAIRED = "repaired"
    SUPERSEDED = "superseded"
