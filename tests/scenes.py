"""Words to set a scene with: catalogue rows, files, and a run to work in, on a real catalogue and warehouse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg2

from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.catalogue.leases import Leases
from dataops_defs.catalogue.mappings import Mappings
from dataops_defs.catalogue.models import DatasetRow, MappingRow, ObjectTypeRow, PipelineRow, SourceRow
from dataops_defs.catalogue.object_types import ObjectTypes
from dataops_defs.catalogue.pipelines import Pipelines
from dataops_defs.catalogue.runs import Runs
from dataops_defs.catalogue.sources import Sources
from dataops_defs.domain.run import RunKind
from dataops_defs.flows.lease import Lease
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.work import Work


@dataclass
class World:
    """A platform, the folder its files lie in, and words to set a scene."""

    platform: Platform
    files: Path

    def source(self, name: str = "Registry", kind: str = "csv", **connection: Any) -> str:
        with self.platform.catalogue() as session:
            sources = Sources(session, self.platform.keyring)
            row = SourceRow(id=new_id(), name=name, type=kind, connection={})
            sources.connect_with(row, connection)
            return sources.add(row).id

    def csv(self, name: str, text: str | bytes) -> str:
        path = self.files / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return self.source(name, path=name)

    def dataset(self, source_id: str, name: str = "Aircraft", **extraction: Any) -> str:
        with self.platform.catalogue() as session:
            row = DatasetRow(
                name=name, source_id=source_id, extraction=extraction or {"type": "file"}, storage={"bucket": "raw"}
            )
            return Datasets(session).add(row).id

    def object_type(self, name: str, key: str, properties: Mapping[str, Any], **more: Any) -> str:
        schema = {"type": "object", "properties": dict(properties), **more}
        with self.platform.catalogue() as session:
            return ObjectTypes(session).add(ObjectTypeRow(name=name, schema=schema, key_field=key)).id

    def mapping(self, dataset_id: str, type_id: str, columns: Mapping[str, Any], **sync: str) -> str:
        mappings = {
            name: {"sourceColumn": each} if isinstance(each, str) else dict(each) for name, each in columns.items()
        }
        with self.platform.catalogue() as session:
            row = MappingRow(
                name=f"Mapping {new_id()}", dataset_id=dataset_id, object_type_id=type_id, mappings=mappings, sync=sync
            )
            return Mappings(session).add(row).id

    def pipeline(self, name: str, nodes: Mapping[str, str]) -> str:
        """A graph of nodes, given as kind and id of the definition each works at; each follows the one before it."""
        drawn = [{"id": kind, "type": kind, "data": {f"{kind}Id": id}} for kind, id in nodes.items()]
        edges = [{"source": a, "target": b} for a, b in pairwise(nodes)]
        with self.platform.catalogue() as session:
            return Pipelines(session).add(PipelineRow(name=name, nodes=drawn, edges=edges)).id

    def work(self) -> Work:
        with self.platform.catalogue() as session:
            row = Runs(session).request(RunKind.ASSETS, None, "test")
            held = Leases(session).begin(row.id, new_id())
        assert held is not None
        return Work(self.platform, Lease(self.platform, held), say=lambda _text: None)

    def sql(self, query: str, *values: Any) -> Sequence[tuple[Any, ...]]:
        connection = psycopg2.connect(libpq_url(self.platform.settings.url("warehouse")))
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(query, values)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()
