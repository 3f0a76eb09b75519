"""What a broken promise looks like in figures."""

from dataclasses import dataclass, field
from enum import StrEnum


class Harm(StrEnum):
    """The kinds of harm that the report counts."""

    FAILED = "failed"
    LOST = "lost"
    TWICE = "twice"
    LEFT = "left running"
    LITTER = "left over"


@dataclass
class Verdict:
    """One promise, and every case that breaks it: ``harms`` counts them, ``cases`` says which."""

    promise: str
    harms: dict[Harm, int] = field(default_factory=dict)
    cases: list[str] = field(default_factory=list)

    def broken(self, harm: Harm, case: str, times: int = 1) -> None:
        """Note a case."""
        self.harms[harm] = self.harms.get(harm, 0) + times
        self.cases.append(case)

    @property
    def kept(self) -> bool:
        """Whether no case broke it."""
        return not self.cases
