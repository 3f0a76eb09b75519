"""What a listing of the raw store tells of each copy."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class RawCopy:
    """One copy as it lies in the store: ``bytes`` of it, visible to readers since ``written_at`` (UTC)."""

    uri: str
    bytes: int
    written_at: datetime

    @property
    def name(self) -> str:
        """The last name of the address: when the extraction began, and the extension."""
        return self.uri.rpartition("/")[2]


def folder_of(uri: str) -> str:
    """The address without its last name; all copies that one dataset keeps at one place share it."""
    return uri.rpartition("/")[0]
