"""Words for stories of pipeline graphs: two branches, an execution, how its nodes stand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.leases import Leases
from dataops_defs.catalogue.models import DatasetRow, MappingRow, PipelineRow, RunRow
from dataops_defs.catalogue.pipelines import Pipelines
from dataops_defs.catalogue.run_nodes import NodeOfRun, RunNodes
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import RunKind, RunState
from dataops_defs.flows import execute_pipeline as flow
from dataops_defs.flows.execute_pipeline import execute_pipeline
from dataops_defs.flows.lease import Lease
from dataops_defs.flows.outbox import reap
from dataops_defs.flows.work import Work
from tests.scenes import World

PLANES = "tailnum,year\nN1,2001\nN2,1998\nX3,1999\n"
AIRLINES = "code,label\nAA,American\nUA,United\n"


class Death(BaseException):
    """What happens to a worker that is killed: no line of it runs any more."""


def die() -> None:
    raise Death


def at_node(monkeypatch: pytest.MonkeyPatch, node: str, act: Callable[[], None]) -> None:
    """Let something happen when a node's work is begun, before any of it is done."""
    for kind, work_of in list(flow.WORK_OF.items()):

        def watched(work: Work, id: str, work_of: Any = work_of) -> None:
            if work.node == node:
                act()
            work_of(work, id)

        monkeypatch.setitem(flow.WORK_OF, kind, watched)


@dataclass
class Fleet:
    """Planes and airlines, a branch each, over one graph; ``ids`` are those of its things, by node."""

    world: World
    pipeline: str
    ids: dict[str, str]

    def request(self, **parameters: Any) -> str:
        with self.world.platform.catalogue() as session:
            row = Runs(session).request(RunKind.PIPELINE, self.pipeline, None, parameters=parameters)
            return row.id

    def worker(self, run_id: str, **more: Any) -> Work:
        with self.world.platform.catalogue() as session:
            held = Leases(session).begin(run_id, new_id())
        assert held is not None
        return Work(self.world.platform, Lease(self.world.platform, held), say=lambda _text: None, **more)

    def dies(self, run_id: str) -> None:
        """Its worker renews its lease no more, and is found."""
        with self.world.platform.catalogue() as session:
            session.connection().exec_driver_sql("UPDATE run SET lease_until = now() - interval '1 second'")
        reap(self.world.platform)

    def execute(self, run_id: str, **more: Any) -> None:
        execute_pipeline(self.worker(run_id, **more), self.pipeline)

    def finish(self, run_id: str, state: RunState, error: str | None = None) -> None:
        with self.world.platform.catalogue() as session:
            assert Runs(session).finish(run_id, state, error=error) is state

    def nodes(self, run_id: str) -> Sequence[NodeOfRun]:
        with self.world.platform.catalogue() as session:
            return RunNodes(session).of([session.get_one(RunRow, run_id)])[run_id]

    def states(self, run_id: str) -> dict[str, str]:
        return {each.node.node_id: str(each.state) for each in self.nodes(run_id)}


def fleet(world: World) -> Fleet:
    """planes: s1 → d1 → m1; airlines: s2 → d2 → m2; m3 refers to both."""
    s1, s2 = world.csv("planes.csv", PLANES), world.csv("airlines.csv", AIRLINES)
    d1, d2 = world.dataset(s1, "Planes"), world.dataset(s2, "Airlines")
    plane = world.object_type(
        "plane", "tail", {"tail": {"type": "string", "pattern": "^N"}, "year": {"type": "integer"}}
    )
    airline = world.object_type("airline", "code", {"code": {"type": "string"}, "name": {"type": "string"}})
    year = world.object_type("vintage", "year", {"year": {"type": "integer"}})
    ids = {
        "s1": s1,
        "s2": s2,
        "d1": d1,
        "d2": d2,
        "m1": world.mapping(d1, plane, {"tail": "tailnum", "year": "year"}),
        "m2": world.mapping(d2, airline, {"code": "code", "name": "label"}),
        "m3": world.mapping(d1, year, {"year": "year"}),
    }
    kinds = {"s": "source", "d": "dataset", "m": "mapping"}
    nodes = [{"id": id, "type": kinds[id[0]], "data": {f"{kinds[id[0]]}Id": made}} for id, made in ids.items()]
    edges = [
        {"source": a, "target": b}
        for a, b in (("s1", "d1"), ("d1", "m1"), ("s2", "d2"), ("d2", "m2"), ("m1", "m3"), ("m2", "m3"))
    ]
    with world.platform.catalogue() as session:
        row = Pipelines(session).add(PipelineRow(name="Fleet", nodes=nodes, edges=edges))
        return Fleet(world, row.id, ids)


def traces(world: World) -> dict[str, Any]:
    """All that a run could leave: rows of every table of the warehouse, definitions, raw copies."""
    tables = world.sql(
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema IN ('objects', 'dataops')"
        " AND table_name <> 'fence' ORDER BY 1, 2"
    )
    rows = {
        name: world.sql(f'SELECT md5(string_agg(t::text, chr(10))) FROM "{name[0]}"."{name[1]}" t') for name in tables
    }
    with world.platform.catalogue() as session:
        definitions = [
            {column.name: getattr(row, column.name) for column in row.__table__.columns if column.name != "updated_at"}
            for kind in (DatasetRow, MappingRow)
            for row in session.query(kind).order_by(kind.id)
        ]
    return {"rows": rows, "definitions": definitions, "copies": copies(world)}


def copies(world: World) -> list[str]:
    return sorted(
        path.name for path in world.platform.settings.home.rglob("*.p*") if path.suffix in (".parquet", ".partial")
    )
