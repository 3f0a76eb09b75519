"""What comes of a message that is sent: a receipt, or the reason why there is none."""

from dataclasses import dataclass

from dataops_defs.errors import DataOpsError


@dataclass(frozen=True)
class Receipt:
    """The code that it was answered with, and what a person should know although it has arrived."""

    code: int
    remark: str | None = None


class Undelivered(DataOpsError):
    """A message did not arrive, as far as is known; ``answer_code`` where there was an answer."""

    code = "UNDELIVERED"
    retryable = True

    def __init__(self, reason: str, answer_code: int | None = None) -> None:
        super().__init__(reason)
        self.answer_code = answer_code
