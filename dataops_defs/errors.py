"""The error tree. A class says what went wrong and whether trying again can help; the REST API picks the words.

DataOpsError
├── Invalid                  the request or definition is wrong; ``fields`` names where
│   ├── UnsafeQuery          user SQL that may not run
│   ├── InvalidTransform     a transform that does not compile
│   └── TargetNotAllowed     a pipeline's target that is not on the list
├── Unauthenticated          no token, or one that does not count
├── Forbidden                the token's role does not reach
├── NotFound
├── Conflict                 a state that forbids the change, dependants
│   ├── Duplicate            another one has the name
│   └── StillRunning         the first request with an idempotency key has not ended
├── TooLarge                 over a limit that is named
├── SourceError              the outside source refused; a person has to mend it
│   └── SourceUnavailable    the source did not answer; later may help
├── SchemaChanged            a query's columns no longer fit its target; the message says which
├── InsufficientStorage      a disk is full; a person has to make room
├── DependencyUnavailable    PostgreSQL or Dagster did not answer; later may help
├── LedgerImbalance          rows in and rows accounted for differ: the run fails
├── NodesFailed              nodes of a pipeline graph failed; the message names them
├── FilesFailed              files of a watched folder were not imported; the message names them
├── RunStopped               the run was cancelled from outside
│   └── RunTimedOut          its time limit is over
├── RunPaused                the run was paused from outside
├── StaleWorker              another worker continues the run
└── QueueFull                too much work waits already; later may help
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldProblem:
    """One thing wrong with a request: the dotted path of the field, and the reason."""

    field: str
    message: str


def storable(text: str) -> str:
    """The text with a mark in place of what PostgreSQL's text cannot hold: NUL, half a surrogate pair."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


class DataOpsError(Exception):
    """Base of all errors that a user may read; the text never holds a secret or a path of the server."""

    code = "INTERNAL_ERROR"
    retryable = False

    def __init__(self, message: str = "") -> None:
        super().__init__(storable(message))


class Invalid(DataOpsError):
    """The request cannot be carried out as written."""

    code = "VALIDATION_ERROR"

    def __init__(self, message: str, fields: Sequence[FieldProblem] = ()) -> None:
        super().__init__(message)
        self.fields = tuple(fields)

    @classmethod
    def field(cls, name: str, message: str) -> "Invalid":
        """The usual case: one field, one reason."""
        return cls(f"{name}: {message}", [FieldProblem(name, message)])


class UnsafeQuery(Invalid):
    """SQL of a user that reads or does more than it may."""

    code = "UNSAFE_QUERY"


class InvalidTransform(Invalid):
    """A transform that does not compile or names an unknown function."""

    code = "INVALID_TRANSFORM"


class TargetNotAllowed(Invalid):
    """An ETL pipeline may write only where an administrator allows it."""

    code = "TARGET_NOT_ALLOWED"


class Unauthenticated(DataOpsError):
    """The request carries no valid token."""

    code = "UNAUTHENTICATED"


class Forbidden(DataOpsError):
    """The token is valid, its role is not enough."""

    code = "FORBIDDEN"


class NotFound(DataOpsError):
    """There is no such thing."""

    code = "NOT_FOUND"


class Conflict(DataOpsError):
    """The thing exists already, or its state forbids the change."""

    code = "CONFLICT"


class Duplicate(Conflict):
    """Another one has the name, or a name that makes the same identifier."""


class StillRunning(Conflict):
    """The first request with this idempotency key is still at work."""

    code = "STILL_RUNNING"


class TooLarge(DataOpsError):
    """Over a limit that the message names."""

    code = "TOO_LARGE"


class SourceError(DataOpsError):
    """The source answered and refused: wrong password, missing table, unreadable file."""

    code = "SOURCE_ERROR"


class SourceUnavailable(SourceError):
    """The source did not answer."""

    code = "SOURCE_UNAVAILABLE"
    retryable = True


class SchemaChanged(DataOpsError):
    """A query gives columns that its target cannot take, or no longer gives those it needs."""

    code = "SCHEMA_CHANGED"


class DependencyUnavailable(DataOpsError):
    """A part of the platform itself (PostgreSQL, Dagster) did not answer."""

    code = "UNAVAILABLE"
    retryable = True


class InsufficientStorage(DataOpsError):
    """A disk is (nearly) full: nothing that writes is begun until somebody has made room."""

    code = "INSUFFICIENT_STORAGE"


class LedgerImbalance(DataOpsError):
    """Rows read and rows accounted for differ; nothing is published."""

    code = "LEDGER_IMBALANCE"


class NodesFailed(DataOpsError):
    """Nodes of a pipeline graph failed; those that do not depend on them have done their work."""

    code = "NODES_FAILED"


class FilesFailed(DataOpsError):
    """Files of a watched folder were not imported; the others of the run were."""

    code = "FILES_FAILED"


class RunStopped(DataOpsError):
    """The run was asked to stop; what it had not published is rolled back."""

    code = "RUN_STOPPED"


class RunTimedOut(RunStopped):
    """The run's time limit is over; what it had not published is rolled back."""

    code = "RUN_TIMED_OUT"


class RunPaused(DataOpsError):
    """The run was asked to pause; it goes on from what it has committed."""

    code = "RUN_PAUSED"


class StaleWorker(DataOpsError):
    """Another worker has taken over the run: this one must not commit anything any more."""

    code = "STALE_WORKER"


class QueueFull(DataOpsError):
    """So much work waits already that more is not taken on now."""

    code = "QUEUE_FULL"
    retryable = True
