from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.orm import Session

from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.database import engine
from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.catalogue.integrity import find_problems, note_problems
from dataops_defs.catalogue.mappings import Mappings
from dataops_defs.catalogue.models import DatasetRow, MappingRow, ObjectTypeRow, PipelineRow, SourceRow
from dataops_defs.catalogue.object_types import ObjectTypes
from dataops_defs.catalogue.pipelines import Pipelines
from dataops_defs.catalogue.snapshot import read_snapshot
from dataops_defs.catalogue.sources import Sources
from dataops_defs.errors import Conflict, Invalid, NotFound
from dataops_defs.flows.platform import Platform
from dataops_defs.settings import Settings


@pytest.fixture
def session(settings: Settings) -> Iterator[Session]:
    with Session(engine(settings.url("catalogue")), expire_on_commit=False) as opened:
        yield opened


@pytest.fixture
def family(session: Session, settings: Settings) -> dict[str, Any]:
    """A source, a dataset of it, an object type, a mapping between them, a pipeline over all."""
    keyring = Platform(settings).keyring
    source = SourceRow(id=new_id(), name="Registry", type="csv", connection={"path": "planes.csv"})
    Sources(session, keyring).add(source)
    dataset = DatasetRow(name="Aircraft", source_id=source.id, extraction={"type": "file"}, storage={})
    Datasets(session).add(dataset)
    schema = {"type": "object", "properties": {"tail": {"type": "string"}}}
    kind = ObjectTypeRow(name="aircraft", schema=schema, key_field="tail")
    ObjectTypes(session).add(kind)
    mapping = MappingRow(
        name="To aircraft",
        dataset_id=dataset.id,
        object_type_id=kind.id,
        mappings={"tail": {"sourceColumn": "tailnum"}},
        sync={"mode": "upsert", "keyField": "tail", "onConflict": "overwrite"},
    )
    Mappings(session).add(mapping)
    nodes = [
        {"id": "s", "type": "source", "data": {"sourceId": source.id}, "position": {"x": 0, "y": 0}},
        {"id": "d", "type": "dataset", "data": {"datasetId": dataset.id}, "position": {"x": 0, "y": 0}},
        {"id": "m", "type": "mapping", "data": {"mappingId": mapping.id}, "position": {"x": 0, "y": 0}},
    ]
    edges = [{"id": "1", "source": "s", "target": "d"}, {"id": "2", "source": "d", "target": "m"}]
    pipeline = PipelineRow(name="All", nodes=nodes, edges=edges)
    Pipelines(session).add(pipeline)
    return {
        "source": source,
        "dataset": dataset,
        "kind": kind,
        "mapping": mapping,
        "pipeline": pipeline,
        "ring": keyring,
    }


class TestNames:
    def test_the_same_name_twice_is_refused(self, session: Session, family: dict[str, Any]) -> None:
        with pytest.raises(Conflict, match="already a source named 'Registry'"):
            Sources(session, family["ring"]).add(SourceRow(name="Registry", type="csv", connection={}))

    def test_two_names_with_one_slug_would_be_one_asset_and_are_refused(
        self, session: Session, family: dict[str, Any]
    ) -> None:
        with pytest.raises(Conflict, match="same identifier as the source 'Registry': registry"):
            Sources(session, family["ring"]).add(SourceRow(name="regISTRY!", type="csv", connection={}))

    def test_a_rename_keeps_the_slug(self, session: Session, family: dict[str, Any]) -> None:
        Datasets(session).rename(family["dataset"], "Planes")
        assert (family["dataset"].name, family["dataset"].slug) == ("Planes", "aircraft")


class TestFinding:
    @pytest.mark.parametrize("id", ["none", "", "0", "00000000-0000-0000-0000-000000000000", "'; DROP TABLE source"])
    def test_an_id_that_is_none_is_not_found(self, session: Session, id: str) -> None:
        with pytest.raises(NotFound):
            Datasets(session).get(id)

    def test_pages_are_ordered_by_allowed_names_only(self, session: Session, family: dict[str, Any]) -> None:
        rows, total = Datasets(session).page(limit=10, sort="name")
        assert ([row.name for row in rows], total) == (["Aircraft"], 1)
        with pytest.raises(Invalid):
            Datasets(session).page(limit=10, sort="name; DROP TABLE dataset")

    def test_filters_that_name_an_ill_formed_id_find_nothing(self, session: Session, family: dict[str, Any]) -> None:
        assert Datasets(session).page(limit=10, filters={"source_id": family["source"].id})[1] == 1
        assert Datasets(session).page(limit=10, filters={"source_id": "nonsense"})[1] == 0


class TestDeleting:
    def test_what_something_is_built_on_stays_and_the_dependants_are_named(
        self, session: Session, family: dict[str, Any]
    ) -> None:
        with pytest.raises(Conflict, match="dataset 'Aircraft', pipeline 'All'"):
            Sources(session, family["ring"]).remove(family["source"])
        with pytest.raises(Conflict, match="mapping 'To aircraft'"):
            ObjectTypes(session).remove(family["kind"])

    def test_from_the_top_everything_can_go(self, session: Session, family: dict[str, Any]) -> None:
        Pipelines(session).remove(family["pipeline"])
        Mappings(session).remove(family["mapping"])
        ObjectTypes(session).remove(family["kind"])
        Datasets(session).remove(family["dataset"])
        Sources(session, family["ring"]).remove(family["source"])
        assert Sources(session, family["ring"]).page(limit=1)[1] == 0


class TestBrokenRows:
    def test_a_damaged_row_and_all_built_on_it_are_named_the_rest_is_sound(
        self, settings: Settings, session: Session, family: dict[str, Any]
    ) -> None:
        Datasets(session).add(
            DatasetRow(name="Sound", source_id=family["source"].id, extraction={"type": "file"}, storage={})
        )
        family["dataset"].extraction = {"type": "witchcraft"}
        session.flush()
        snapshot = read_snapshot_in(session)
        problems = {each.name: each.reason for each in find_problems(snapshot)}
        assert set(problems) == {"Aircraft", "To aircraft", "All"}
        assert "witchcraft" in problems["Aircraft"]
        note_problems(session, find_problems(snapshot))
        session.refresh(family["dataset"])
        assert "witchcraft" in family["dataset"].problem

    def test_a_row_that_is_sound_again_loses_its_problem(self, session: Session, family: dict[str, Any]) -> None:
        family["dataset"].problem = "once broken"
        session.flush()
        note_problems(session, [])
        session.refresh(family["dataset"])
        assert family["dataset"].problem is None


def read_snapshot_in(session: Session) -> dict[str, Any]:
    session.commit()
    return read_snapshot(session)
