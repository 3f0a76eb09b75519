"""Where an extraction's columns meet those that were accepted before: what has changed, and whether it may go on."""

from collections.abc import Sequence
from dataclasses import dataclass

from dataops_defs.catalogue.models import DatasetRow
from dataops_defs.domain.columns import Column
from dataops_defs.domain.drift import Drift, SchemaPolicy, drift_between
from dataops_defs.errors import SchemaChanged
from dataops_defs.flows.outcome import Check

CHECK = "schema_unchanged"


class FrozenSchema(SchemaChanged):
    """The columns have changed and the dataset's policy is ``freeze``."""

    def __init__(self, message: str, columns: Sequence[Column], drift: Drift) -> None:
        super().__init__(message)
        self.columns, self.drift = columns, drift


@dataclass(frozen=True)
class SchemaGate:
    """The columns of the current copy, those that were accepted for the next one, and the policy."""

    dataset: str
    policy: SchemaPolicy
    current: Sequence[Column]
    accepted: Sequence[Column] | None = None

    @classmethod
    def of(cls, row: DatasetRow) -> "SchemaGate":
        """The gate of a dataset."""
        current, accepted = ([Column.from_json(each) for each in given or []] for given in (row.columns, row.accepted))
        return cls(row.name, row.schema_policy, current, accepted or None)

    def check(self, columns: Sequence[Column]) -> Drift:
        """What has changed; nothing where there is nothing to compare.

        Raises:
            FrozenSchema: something has, and nobody has accepted it.
        """
        if not self.current or not columns:
            return Drift()
        drift = drift_between(self.current, columns)
        if drift and self.policy is SchemaPolicy.FREEZE and not self._is_accepted(columns):
            raise FrozenSchema(
                f"{drift.sentence}. The schema of '{self.dataset}' is frozen, and nothing was extracted: mend the"
                " source or the query, or accept it with POST …/datasets/{id}/schema/accept and extract again",
                columns,
                drift,
            )
        return drift

    def holds_back(self, drift: Drift) -> bool:
        """Whether a copy with that drift waits to be accepted."""
        return bool(drift) and self.policy is SchemaPolicy.QUARANTINE

    def _is_accepted(self, columns: Sequence[Column]) -> bool:
        return self.accepted is not None and not drift_between(self.accepted, columns)


def schema_check(drift: Drift, *, held_back: bool) -> Check:
    """The check that a dataset's asset shows."""
    told = drift.sentence or "The columns are those of the extraction before"
    if held_back:
        told = f"{told}; the new copy waits in quarantine until it is accepted"
    return Check(CHECK, not drift, told, drift.counts)
