"""What Dagster's pages show of a step: counts, columns, lineage, a preview, the checks."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from dataops_defs.domain.columns import Column, RejectedRow
from dataops_defs.domain.drift import Drift
from dataops_defs.flows.outcome import Check, Outcome

MAX_CELL = 60
MAX_REASON = 300
MAX_COLUMNS = 12


def materialization_metadata(outcome: Outcome) -> dict[str, Any]:
    """Metadata of one materialisation."""
    ledger = outcome.ledger
    made: dict[str, Any] = {
        "dagster/uri": outcome.uri,
        "dagster/row_count": outcome.total_rows if outcome.total_rows is not None else ledger.read,
        "ledger": dg.MetadataValue.md(_ledger_table(ledger.as_json())),
        **{f"rows_{name}": count for name, count in ledger.as_json().items()},
        **outcome.counts,
        **_extraction_metadata(outcome.details),
        **_file_metadata(outcome.details),
    }
    if outcome.columns:
        made["dagster/column_schema"] = column_schema(outcome.columns)
    if outcome.lineage:
        made["dagster/column_lineage"] = dg.TableColumnLineage(
            {
                name: [dg.TableColumnDep(dg.AssetKey(list(key)), column) for key, column in origins]
                for name, origins in outcome.lineage.items()
            }
        )
    if outcome.preview:
        made["preview"] = dg.MetadataValue.md(markdown_table(outcome.preview))
    if outcome.rejected:
        made["rejected_rows"] = dg.MetadataValue.md(_rejects_table(outcome.rejected))
    if outcome.bytes is not None:
        made["bytes"] = outcome.bytes
    if outcome.uri.startswith("warehouse:"):
        made["dagster/table_name"] = outcome.uri.replace("warehouse:", "warehouse.", 1)
    return made


def _extraction_metadata(details: Mapping[str, Any]) -> dict[str, Any]:
    """What only an extraction tells, or a refresh."""
    if "method" in details:
        return {"method": details["method"], "reason": details["reason"]}
    if "drift" not in details:
        return {}
    made: dict[str, Any] = {"incremental": details["incremental"], "quarantined": details["quarantined"]}
    if details["mark"] is not None:
        made["mark"] = details["mark"]
    drift = Drift.from_json(details["drift"])
    if drift:
        made["drift"] = dg.MetadataValue.md("\n".join(f"- {each}" for each in drift.sentence.split("; ")))
    return made


def _file_metadata(details: Mapping[str, Any]) -> dict[str, Any]:
    """What only an import tells: its file, and why its columns have their types."""
    if "importId" not in details:
        return {}
    made: dict[str, Any] = {
        "file": details["path"],
        "import_id": details["importId"],
        "content_hash": details["contentHash"],
    }
    if details["explanations"]:
        reasons = [{"column": column, "reason": reason} for column, reason in details["explanations"]]
        made["reasons_for_types"] = dg.MetadataValue.md(markdown_table(reasons, MAX_REASON))
    said = [each for each in (details["note"], details["suspect"]) if each]
    return {**made, "notes": "; ".join(said)} if said else made


def query_metadata(row: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a datamart before it is filled: its columns, and where its query takes them from."""
    made: dict[str, Any] = {"dagster/table_name": f"warehouse.{row['schema']}.{row['slug']}"}
    if row.get("columns"):
        made["dagster/column_schema"] = column_schema([Column.from_json(each) for each in row["columns"]])
    if row.get("lineage"):
        made["dagster/column_lineage"] = dg.TableColumnLineage(
            {
                name: [dg.TableColumnDep(dg.AssetKey(key), column) for key, column in origins]
                for name, origins in row["lineage"].items()
            }
        )
    return made


def column_schema(columns: Sequence[Column]) -> dg.TableSchema:
    """Columns as Dagster shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(each.name, each.type, constraints=dg.TableColumnConstraints(nullable=each.nullable))
            for each in columns
        ]
    )


def check_result(check: Check) -> dg.AssetCheckResult:
    """A check of an asset that is being materialised; a failed one warns."""
    return dg.AssetCheckResult(
        check_name=check.name,
        passed=check.passed,
        description=check.description,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=dict(check.counts),
    )


def check_evaluation(check: Check, key: dg.AssetKey) -> dg.AssetCheckEvaluation:
    """The same check, told by a job that is not the asset's own."""
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=check.name,
        passed=check.passed,
        description=check.description,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={name: dg.MetadataValue.int(count) for name, count in check.counts.items()},
    )


def markdown_table(rows: Sequence[Mapping[str, Any]], max_cell: int = MAX_CELL) -> str:
    """A few rows as a Markdown table; wide cells and many columns are cut."""
    names = list(dict.fromkeys(name for row in rows for name in row))[:MAX_COLUMNS]
    lines = ["| " + " | ".join(_cell(name, max_cell) for name in names) + " |", "|" + " --- |" * len(names)]
    lines += ["| " + " | ".join(_cell(row.get(name), max_cell) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def _ledger_table(counts: Mapping[str, int]) -> str:
    return markdown_table([{name: f"{count:,}" for name, count in counts.items()}])


def _rejects_table(rejected: Sequence[RejectedRow]) -> str:
    return markdown_table(
        [{"row": each.number, "column": each.column, "reason": each.reason, "raw": dict(each.raw)} for each in rejected]
    )


def _cell(value: object, most: int) -> str:
    text = "" if value is None else str(value)
    text = text if len(text) <= most else f"{text[: most - 1]}…"
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
