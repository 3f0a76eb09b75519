"""Detect how tables of the warehouse relate; nothing is written but the answer, into the record of the run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dataops_defs.adapters.profiles.joins import suggested_joins
from dataops_defs.adapters.profiles.profiler import Profiler
from dataops_defs.adapters.profiles.tables import WarehouseTable, find_tables
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.relationship import Relationship
from dataops_defs.domain.run import RunKind
from dataops_defs.errors import Invalid
from dataops_defs.flows.outcome import Outcome
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.work import Step, Work
from dataops_defs.matching.fields import Embed
from dataops_defs.matching.relationships.detect import detect
from dataops_defs.matching.relationships.profiles import TableProfile
from dataops_defs.matching.relationships.sketches import SIZE

PURPOSE = "dataops detect"
NAMES_SHOWN = 5
EVERY_VALUE = "every value"
SAMPLED = (
    f"rows and ranges are counted over the whole table; of a column with many values about {SIZE:,} are looked at,"
    " those with the lowest hashes, and the number of different values is an estimate"
)


@dataclass(frozen=True)
class Wanted:
    """What is asked for: tables of one schema, the least confidence (0 to 1), and whether meanings of names count."""

    tables: Sequence[str]
    schema: str
    threshold: float
    use_ai: bool

    @property
    def name(self) -> str:
        """How the run is called."""
        more = len(self.tables) - NAMES_SHOWN
        return f"{self.schema}: {', '.join(self.tables[:NAMES_SHOWN])}" + (f" and {more} more" if more > 0 else "")

    def as_parameters(self) -> dict[str, Any]:
        """The form kept in the record of the run."""
        return {**vars(self), "tables": list(self.tables)}


def check_tables(platform: Platform, wanted: Wanted) -> None:
    """Refuse tables that are not there, before a run is asked for.

    Raises:
        Invalid: as `find_tables` does.
    """
    with platform.warehouse(PURPOSE, role="reader") as connection:
        find_tables(connection, wanted.schema, wanted.tables)


def detect_relationships(work: Work, request_id: str) -> Outcome:
    """Find declared relationships, and infer others from the values and names of the tables.

    Args:
        request_id: the record of the execution that was asked for; its parameters say what is wanted, so that a run
            which is started again in Dagster does the same.
    Source: document 000, "Detect Relationships".
    """
    with work.platform.catalogue() as session:
        parameters = Runs(session).get(request_id).parameters
    if "tables" not in parameters:
        raise Invalid.field("subject_id", "must be the id of an earlier execution that detected relationships")
    wanted = Wanted(**{name: parameters[name] for name in Wanted.__dataclass_fields__})
    work.say(f"Looking for relationships in {wanted.name}")
    return work.do(RunKind.DETECT, request_id, wanted.name, lambda step: _detect(work, step, wanted))


def _detect(work: Work, step: Step, wanted: Wanted) -> Outcome:
    rows_seen = 0

    def progress(rows: int) -> None:
        nonlocal rows_seen
        rows_seen += rows
        step.progress(rows_seen)

    with work.warehouse(PURPOSE, role="reader") as connection:
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        tables, declared = find_tables(connection, wanted.schema, wanted.tables)
        profiler = Profiler(connection, tables, progress)
        profiles = profiler.profiles()
        every = detect(profiles, profiler, declared, _embed() if wanted.use_ai else None)
    found = [each for each in every if each.confidence >= wanted.threshold]
    for each in found:
        work.say(f"{_shown(each.table, each.columns)} -> {_shown(each.parent, each.parent_columns)}: {each.confidence}")
    return Outcome(
        ledger=Ledger(),
        assets=[],
        uri=f"relationships:{wanted.schema}",
        total_rows=rows_seen,
        counts={"relationships": len(found), "tables": len(tables)},
        details={
            "relationships": [_relationship(each) for each in found],
            "suggested_joins": suggested_joins(wanted.tables, wanted.schema, found),
            "tables": [_table(each, profile, profiler) for each, profile in zip(tables, profiles, strict=True)],
        },
    )


def _embed() -> Embed:
    # Here, so that a worker that does not need it starts without it.
    from dataops_defs.adapters.embeddings import embed

    return embed


def _shown(table: str, columns: Sequence[str]) -> str:
    return f"{table}.{', '.join(columns)}"


def _relationship(found: Relationship) -> dict[str, Any]:
    return {
        "from_table": found.table,
        "from_column": ", ".join(found.columns),
        "from_columns": list(found.columns),
        "to_table": found.parent,
        "to_column": ", ".join(found.parent_columns),
        "to_columns": list(found.parent_columns),
        "relationship_type": str(found.type),
        "confidence": found.confidence,
        "detection_method": str(found.method),
        "evidence": list(found.evidence),
        "cardinality": {
            "from_rows": found.cardinality.child_rows,
            "from_values": found.cardinality.child_values,
            "to_values": found.cardinality.parent_values,
        },
        "sampled": found.sampled,
    }


def _table(table: WarehouseTable, profile: TableProfile, profiler: Profiler) -> dict[str, Any]:
    sampled = table.name in profiler.sampled
    return {
        "table": table.name,
        "rows": profile.rows,
        "sampled": sampled,
        "looked_at": SAMPLED if sampled else EVERY_VALUE,
        "skipped_columns": [
            {"column": each.column, "type": each.type, "reason": each.reason}
            for each in profiler.skipped
            if each.table == table.name
        ],
    }
