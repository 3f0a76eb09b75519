"""Whether a pipeline's target holds what its query gives: a bounded read that changes nothing.

Source: document 003, "Future Extensions"; SAFETY, invariant I1.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import psycopg2
from psycopg2 import sql

from dataops_defs.adapters.reconciliation.canonical import JSON, alike, compared, family
from dataops_defs.adapters.reconciliation.session import Deadline, Session
from dataops_defs.adapters.reconciliation.sql_rows import SqlRows
from dataops_defs.adapters.sinks.etl_columns import columns_of_table, primary_key
from dataops_defs.adapters.sql.guard import check_query
from dataops_defs.catalogue.base import now
from dataops_defs.domain.etl import EtlConfig, EtlMode, SqlColumn, keys_of
from dataops_defs.domain.extraction import Extraction, ExtractionType
from dataops_defs.domain.reconciliation import Findings, NoRows, Reconciliation, Rows, compare
from dataops_defs.errors import SchemaChanged
from dataops_defs.flows.etl_source import EtlSource, etl_source
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.reconcile_index import index_rows, query_documents

RECONCILE_SECONDS = 60.0


@dataclass
class _Comparison:
    """What is compared: shared columns, the key among them, and what people should know beside the figures."""

    keys: Sequence[str]
    columns: Sequence[SqlColumn]
    notes: list[str] = field(default_factory=list)
    whole: bool = True
    """Whether the target is there with all columns of the query."""

    @property
    def names(self) -> list[str]:
        """Names of the compared columns."""
        return [each.name for each in self.columns]

    def findings(self, source: Rows, target: Rows) -> Findings:
        """The two sides compared."""
        return compare(source, target, self.keys, self.names)


def reconcile_pipeline(platform: Platform, config: EtlConfig, seconds: float = RECONCILE_SECONDS) -> Reconciliation:
    """Compare the rows that a pipeline's query gives with those of its target, both as they are now.

    Rows are compared as multisets, by the columns of the query; the target may have more. Where both are in the
    warehouse they are seen at one moment.

    Raises:
        UnsafeQuery: the query may not run.
        SchemaChanged: a key column is missing on one side, or the two have no column in common.
        SourceError: PostgreSQL or Elasticsearch refused, or it took longer than ``seconds``.
        SourceUnavailable, DependencyUnavailable: one of them did not answer.
    """
    started, checked_at, deadline = time.monotonic(), now(), Deadline(seconds)
    query = check_query(
        config.source_query, allowed_functions=platform.settings.allowed_functions, field="source_query"
    )
    source = etl_source(platform, config)
    columns = source.adapter.columns(Extraction(ExtractionType.SQL, query))
    side_by_side = _with_index if config.target.schema is None else _with_table
    comparison, findings = side_by_side(platform, replace(config, source_query=query), source, columns, deadline)
    return Reconciliation(
        source=source.adapter.source.name,
        target=config.target_table,
        key_columns=comparison.keys,
        columns=comparison.names,
        findings=findings,
        in_sync=findings.equal and comparison.whole,
        notes=[*comparison.notes, *_remarks(config, findings)],
        checked_at=checked_at,
        seconds=time.monotonic() - started,
    )


def _with_table(
    platform: Platform, config: EtlConfig, source: EtlSource, columns: Sequence[SqlColumn], deadline: Deadline
) -> tuple[_Comparison, Findings]:
    query = sql.SQL("({}) AS given").format(sql.SQL(config.source_query))
    schema, table = config.target.schema or "public", config.target.name
    with _sessions(platform, config, source, deadline) as (mine, theirs):
        with theirs.connection.cursor() as cursor:
            found = columns_of_table(cursor, schema, table)
            present = [SqlColumn(name, each.type) for name, each in found.items()]
            comparison = _comparison(config, columns, present or columns, primary_key(cursor, schema, table))

        def findings(*, json_as_text: bool) -> Findings:
            forms = compared(comparison.columns, present or columns, json_as_text=json_as_text)
            target = SqlRows(theirs, sql.Identifier(schema, table), forms, comparison.keys)
            left = SqlRows(mine, query, forms, comparison.keys)
            return comparison.findings(left, target if present else NoRows())

        if not present:
            _note_missing(comparison, config)
        if not any(family(each.type) in JSON for each in columns):
            return comparison, findings(json_as_text=False)
        try:
            with _undone(mine), _undone(theirs):
                return comparison, findings(json_as_text=False)
        except psycopg2.DataError:
            comparison.notes.append("JSON is compared as text: some of it holds what jsonb cannot")
            return comparison, findings(json_as_text=True)


def _with_index(
    platform: Platform, config: EtlConfig, source: EtlSource, columns: Sequence[SqlColumn], deadline: Deadline
) -> tuple[_Comparison, Findings]:
    comparison = _comparison(config, columns, columns, ())
    documents = query_documents(source, columns, comparison.keys, deadline)
    with index_rows(platform.settings, config.target.name, documents) as target:
        if target is None:
            _note_missing(comparison, config)
        return comparison, comparison.findings(documents, target or NoRows())


@contextmanager
def _sessions(
    platform: Platform, config: EtlConfig, source: EtlSource, deadline: Deadline
) -> Iterator[tuple[Session, Session]]:
    """Transactions on source and target; one and the same where both are the warehouse."""
    with source.adapter.session(deadline.left()) as mine:
        if config.source_id is None:
            yield Session(mine, deadline), Session(mine, deadline)
            return
        warehouse = etl_source(platform, replace(config, source_id=None))
        with warehouse.adapter.session(deadline.left()) as theirs:
            yield Session(mine, deadline), Session(theirs, deadline)


@contextmanager
def _undone(session: Session) -> Iterator[None]:
    """What PostgreSQL refuses for a value leaves the transaction, and what it sees, as they were."""
    with session.connection.cursor() as cursor:
        cursor.execute("SAVEPOINT comparison")
        try:
            yield
        except psycopg2.DataError:
            cursor.execute("ROLLBACK TO SAVEPOINT comparison")
            raise


def _comparison(
    config: EtlConfig, given: Sequence[SqlColumn], present: Sequence[SqlColumn], primary: Sequence[str]
) -> _Comparison:
    types = {each.name: each.type for each in present}
    shared = [each for each in given if each.name in types]
    lacking = [each for each in given if each.name not in types]
    if not shared:
        raise SchemaChanged(f"The query and {config.target} have no column in common; change source_query or the table")
    keys = keys_of(config.key_columns, primary, shared)
    for name in keys:
        if name not in {each.name for each in shared}:
            side = config.target if name in {each.name for each in given} else "the query"
            raise SchemaChanged(f"The key column '{name}' is not in {side}; change key_columns, the query or the table")
    notes = [
        f"{config.target} has no column '{each.name}' ({each.type}), which the query gives:"
        " add it, or leave it out of the query; the other columns are compared"
        for each in lacking
    ]
    notes += [
        f"'{each.name}' is {each.type} in the query and {types[each.name]} in {config.target}: compared by its text"
        for each in shared
        if not alike(each.type, types[each.name])
    ]
    notes += [
        f"{config.target} has a column '{name}' that the query does not give: it is not compared"
        for name in types
        if name not in {each.name for each in given}
    ]
    return _Comparison(keys, shared, notes, not lacking)


def _note_missing(comparison: _Comparison, config: EtlConfig) -> None:
    comparison.whole = False
    comparison.notes.append(f"{config.target} does not exist (yet): all rows of the source are missing in it")


def _remarks(config: EtlConfig, findings: Findings) -> list[str]:
    """What differences can come from though nothing is wrong."""
    if findings.equal:
        return []
    notes = []
    if config.mode is EtlMode.INCREMENTAL:
        notes.append(
            "The pipeline is incremental: rows that the source has deleted stay in the target and count as extra;"
            " a run in full mode removes them"
        )
    if config.source_id is not None or config.target.schema is None:
        notes.append("Source and target are seen one after the other: what changes meanwhile can show as a difference")
    return notes
