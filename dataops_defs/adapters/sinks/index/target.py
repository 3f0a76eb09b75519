"""An Elasticsearch index as the target of an ETL pipeline: an alias that readers name, and the index behind it.

Source: document 003, "Target Restrictions"; SAFETY design, section 2, point 2, and fault 41.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.adapters.json_values import json_rows
from dataops_defs.adapters.sinks.etl_target import Written
from dataops_defs.adapters.sinks.index.bulk import BulkWriter
from dataops_defs.adapters.sinks.index.client import refusals, refused, said
from dataops_defs.adapters.sinks.index.documents import documents_of
from dataops_defs.adapters.sinks.index.mapping import missing_fields, properties_of
from dataops_defs.adapters.sinks.index.reading import count
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.etl import EtlMode, SqlColumn
from dataops_defs.domain.ledger import Ledger
from dataops_defs.errors import Conflict, SchemaChanged

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

MARK = "dataops"


class IndexSink:
    """One load into ``alias``; an ``EtlSink``.

    Full: the rows gather in an index of their own, ``{alias}-{load}``, which then takes the old one's place.
    Incremental: they go into the index behind the alias, where readers find them once it is refreshed.

    There are no transactions: doing a batch again writes the same documents under the same ids, and the version of
    each (worker's turn, then row) keeps late requests of earlier workers from overwriting anything.

    Args:
        keys: the columns whose values make a document's id; without any (full mode only) it is the row's number.
        load: short lower-case hex, the same for every worker of the load.
        turn: greater than that of every worker that has written to this alias before, whatever its pipeline.
    """

    def __init__(
        self, client: "Elasticsearch", alias: str, mode: EtlMode, keys: Sequence[str], load: str, turn: int
    ) -> None:
        self._client = client
        self._alias = alias
        self._full = mode is EtlMode.FULL
        self._keys = tuple(keys)
        self._index = f"{alias}-{load}"
        # Requests name an alias that only stands while the load does: late ones find nothing, and make nothing.
        self._entrance = f"{self._index}-load" if self._full else alias
        self._writer = BulkWriter(client, self._entrance, turn)
        self._types: Mapping[str, str] = {}

    def exists(self, connection: Connection) -> bool:
        """See ``EtlSink``."""
        with refusals():
            return bool(self._live())

    def prepare(self, connection: Connection, columns: Sequence[SqlColumn]) -> bool:
        """See ``EtlSink``; an index with its mapping, and in incremental mode the alias, are made where missing.

        Raises:
            Conflict: the alias's name is an index's, or it names several indexes.
            SchemaChanged: a column has another type than the index holds, or a name that it cannot have.
        """
        self._types = {each.name: each.type for each in columns}
        with refusals():
            live = self._live()
            if not live and self._client.indices.exists(index=self._alias):
                raise Conflict(
                    f"'{self._alias}' is an index in Elasticsearch, where the platform needs an alias: "
                    "rename the index, or name it behind an alias of another name"
                )
            return self._prepare_full(columns) if self._full else self._prepare_incremental(live, columns)

    def _prepare_full(self, columns: Sequence[SqlColumn]) -> bool:
        found = self._client.options(ignore_status=404).indices.get(index=self._index)
        if found.meta.status != 404:
            if self._fits(found[self._index]["mappings"], columns):
                self._client.indices.put_alias(index=self._index, name=self._entrance)
                return True
            self._client.indices.delete(index=self._index)
        self._create(columns)
        return False

    def _prepare_incremental(self, live: Sequence[str], columns: Sequence[SqlColumn]) -> bool:
        if not live:
            self._create(columns)
            return False
        if len(live) > 1:
            raise Conflict(f"'{self._alias}' names {len(live)} indexes ({', '.join(live)}): leave it one of them")
        present = self._client.indices.get_mapping(index=live[0])[live[0]]["mappings"].get("properties", {})
        missing = missing_fields(live[0], present, columns)
        if missing:
            self._client.indices.put_mapping(index=live[0], properties=missing)
        return True

    @staticmethod
    def _fits(mappings: Mapping[str, Any], columns: Sequence[SqlColumn]) -> bool:
        try:
            return not missing_fields("", mappings.get("properties", {}), columns)
        except SchemaChanged:
            return False

    def _create(self, columns: Sequence[SqlColumn]) -> None:
        mappings = {"dynamic": "strict", "_meta": self._mark(), "properties": properties_of(columns)}
        answer = self._client.options(ignore_status=400).indices.create(
            index=self._index, mappings=mappings, aliases={self._entrance: {}}
        )
        kind, reason = said(answer.body)
        # "Exists" answers a request whose first answer was lost.
        if answer.meta.status == 400 and kind != "resource_already_exists_exception":
            raise refused(400, kind, reason)

    def write(self, connection: Connection, batch: pa.RecordBatch, first: int) -> Written:
        """See ``EtlSink``. In full mode a row counts as inserted though a later batch may hold its key again.

        Raises:
            StaleWorker: a later worker has written some of the documents.
        """
        rows, rejected = documents_of(batch, first, self._types, self._keys)
        outcome = self._writer.write(rows)
        for number, reason in outcome.refused.items():
            raw = json_rows(batch.slice(number - first, 1))[0]
            rejected.append(RejectedRow(number, reason, self._blamed(reason), raw))
        rejected.sort(key=lambda each: each.number)
        if self._full:
            return Written(inserted=outcome.created + outcome.updated, filtered=outcome.passed, rejected=rejected)
        return Written(outcome.created, outcome.updated, filtered=outcome.passed, rejected=rejected)

    def _blamed(self, reason: str) -> str | None:
        """The column that the server's reason names."""
        return next((name for name in self._types if f"[{name}]" in reason), None)

    def publish(self, connection: Connection, *, complete: bool) -> Ledger:
        """See ``EtlSink``; the alias moves in one step, then the platform's other indexes of this alias are deleted.

        All documents of a full load are counted as inserted, and as deleted the number by which the index shrank.
        Where not ``complete`` the rejected rows' old documents go as well: an index holds one load, never two.
        Doing it again changes nothing and counts the same.
        """
        with refusals():
            if not self._full:
                self._client.indices.refresh(index=self._alias)
                return Ledger()
            self._client.indices.refresh(index=self._index)
            inserted = count(self._client, self._index)
            replaced = self._swap()
            for each in self._own_indexes():
                if each != self._index:
                    self._client.indices.delete(index=each, ignore_unavailable=True)
        return Ledger(inserted=inserted, deleted=max(0, replaced - inserted))

    def _swap(self) -> int:
        """Move the alias here; how many documents it named before (kept in the index, in case this is done twice)."""
        live = self._live()
        others = [each for each in live if each != self._index]
        if self._index in live:
            replaced = int(self._own_indexes()[self._index]["replaced"])
        else:
            replaced = sum(count(self._client, each) for each in others)
            self._client.indices.put_mapping(index=self._index, meta=self._mark(replaced))
        actions = [{"remove": {"index": each, "alias": self._alias}} for each in others]
        actions.append({"add": {"index": self._index, "alias": self._alias}})
        if self._client.indices.exists_alias(name=self._entrance):
            actions.append({"remove": {"index": self._index, "alias": self._entrance}})
        self._client.indices.update_aliases(actions=actions)
        return replaced

    def rows(self, connection: Connection) -> int:
        """How many documents the alias finds."""
        with refusals():
            return count(self._client, self._alias)

    def discard(self, connection: Connection) -> None:
        """See ``EtlSink``; the index stays if readers find it under the alias."""
        with refusals():
            if self._index not in self._live():
                self._client.indices.delete(index=self._index, ignore_unavailable=True)

    def _live(self) -> list[str]:
        found = self._client.options(ignore_status=404).indices.get_alias(name=self._alias)
        return [] if found.meta.status == 404 else sorted(found.body)

    def _mark(self, replaced: int = 0) -> dict[str, Any]:
        return {MARK: {"alias": self._alias, "replaced": replaced}}

    def _own_indexes(self) -> dict[str, Mapping[str, Any]]:
        """The marks of the indexes that the platform made for this alias; ``film-*`` alone would find film-new's."""
        found = self._client.indices.get_mapping(index=f"{self._alias}-*").body
        marks = {name: each["mappings"].get("_meta", {}).get(MARK, {}) for name, each in found.items()}
        return {name: mark for name, mark in marks.items() if mark.get("alias") == self._alias}
