"""The ledger of a write: every row that was read is accounted for."""

from dataclasses import asdict, dataclass

from dataops_defs.errors import LedgerImbalance


@dataclass(frozen=True)
class Ledger:
    """Counts of one write. ``deleted`` counts target rows and stands beside the balance.

    ``read = inserted + updated + unchanged + rejected + filtered``
    """

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    filtered: int = 0
    deleted: int = 0

    @property
    def succeeded(self) -> int:
        """Rows whose content is in the target, or was left out on purpose."""
        return self.inserted + self.updated + self.unchanged + self.filtered

    def balanced(self) -> "Ledger":
        """Itself, or LedgerImbalance with both sides in the message."""
        accounted = self.succeeded + self.rejected
        if self.read != accounted:
            raise LedgerImbalance(
                f"{self.read} rows were read but {accounted} are accounted for "
                f"({self.inserted} inserted, {self.updated} updated, {self.unchanged} unchanged, "
                f"{self.rejected} rejected, {self.filtered} filtered); nothing was published"
            )
        return self

    def unpublished(self) -> "Ledger":
        """The same rows while nothing of them is in the target: none has been written."""
        return Ledger(read=self.read, rejected=self.rejected, filtered=self.read - self.rejected)

    def __add__(self, other: "Ledger") -> "Ledger":
        mine, theirs = asdict(self), asdict(other)
        return Ledger(**{name: mine[name] + theirs[name] for name in mine})

    def as_json(self) -> dict[str, int]:
        """Counts by name."""
        return asdict(self)
