"""What a step that fills a datamart, or publishes a version of it, has done."""

from typing import Any

from dataops_defs.adapters.datamarts.relations import Content
from dataops_defs.catalogue.models import DatamartRow
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.naming import AssetPath, table_key
from dataops_defs.flows.outcome import Check, Outcome


def datamart_outcome(
    row: DatamartRow,
    ledger: Ledger,
    content: Content,
    lineage: dict[str, list[tuple[AssetPath, str]]],
    details: dict[str, Any],
) -> Outcome:
    """The outcome, as the datamart's asset shows it.

    Raises:
        LedgerImbalance: rows are not accounted for.
    """
    balanced = ledger.balanced()
    return Outcome(
        ledger=balanced,
        assets=[table_key(row.schema, row.slug)],
        uri=f"warehouse:{row.schema}.{row.slug}",
        columns=content.columns,
        preview=content.preview,
        checks=[Check("ledger_balanced", True, f"All {content.rows} rows are accounted for", balanced.as_json())],
        lineage=lineage,
        bytes=content.bytes,
        total_rows=content.rows,
        details=details,
    )
