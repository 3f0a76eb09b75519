"""Both sides of a comparison with an index: its documents, and the query's rows as the documents they should be."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

from dataops_defs.adapters.reconciliation.session import Deadline
from dataops_defs.adapters.reconciliation.streamed_rows import StreamedRows
from dataops_defs.adapters.sinks.index.client import client_of, refusals
from dataops_defs.adapters.sinks.index.documents import documents_of
from dataops_defs.adapters.sinks.index.reading import documents
from dataops_defs.domain.etl import EtlMode, SqlColumn
from dataops_defs.flows.etl_source import EtlSource
from dataops_defs.settings import Settings

BATCH_DOCUMENTS = 5_000
_JSON = json.JSONDecoder(parse_float=Decimal)


def query_documents(
    source: EtlSource, columns: Sequence[SqlColumn], keys: Sequence[str], deadline: Deadline
) -> StreamedRows:
    """The query's rows, made into documents as a load makes them; each pass runs the query again."""

    def read(names: Sequence[str]) -> Iterator[list[Mapping[str, Any]]]:
        chosen = [each for each in columns if each.name in names]
        types = {each.name: each.type for each in chosen}
        query = replace(source, config=replace(source.config, mode=EtlMode.FULL)).query(chosen, None)
        with replace(source.adapter, read_seconds=deadline.left()).read(query) as reading:
            for batch in reading.batches:
                made, unfit = documents_of(batch, 1, types, ())
                rows: list[Mapping[str, Any]] = _JSON.decode(f"[{','.join(each.source for each in made)}]")
                yield rows + [each.raw for each in unfit]

    return StreamedRows(read, [each.name for each in columns], keys, deadline)


@contextmanager
def index_rows(settings: Settings, name: str, like: StreamedRows) -> Iterator[StreamedRows | None]:
    """The documents of an index or alias, compared by the columns and the key of ``like``; None where there is none."""
    with closing(client_of(settings)) as client:
        with refusals():
            there = bool(client.indices.exists(index=name))
        yield replace(like, read=lambda names: documents(client, name, names, BATCH_DOCUMENTS)) if there else None
