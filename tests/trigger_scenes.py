"""Words to set a scene with triggers, without the REST API."""

from typing import Any

from dataops_defs.catalogue.base import new_id, now
from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.pipeline_registry import find_pipeline
from dataops_defs.catalogue.trigger_firings import Firings
from dataops_defs.catalogue.trigger_rows import TriggerRow
from dataops_defs.catalogue.triggers import Triggers
from dataops_defs.domain.run import RunKind
from dataops_defs.domain.trigger import TriggerType
from dataops_defs.flows.look_for_trigger_files import occasions_there
from tests.scenes import World


def trigger(world: World, pipeline: str, kind: str = "cron", cron: str = "0 2 * * *", **more: Any) -> str:
    """A trigger of a pipeline, given by its id or its name."""
    with world.platform.catalogue() as session:
        found = find_pipeline(session, pipeline)
        place = "etl_pipeline_id" if found.kind is RunKind.ETL else "graph_id"
        values = {"name": f"Trigger {new_id()}", **more, place: found.row.id}
        row = TriggerRow(id=new_id(), type=TriggerType(kind), **values)
        triggers = Triggers(session)
        triggers.add(row)
        if row.type is TriggerType.CRON:
            triggers.schedule(row, cron).pending = False  # Dagster has been told
        if row.file is not None:
            Firings(session).pass_over(row.id, occasions_there(world.platform, row.file))
        return row.id


def pause(world: World, id: str) -> None:
    with world.platform.catalogue() as session:
        Triggers(session).pause(Triggers(session).get(id))


def skip_of(world: World, id: str) -> str | None:
    """Why the trigger was passed over the last time."""
    with world.platform.catalogue() as session:
        return Triggers(session).get(id).skip_reason


def runs_of(world: World, id: str) -> list[RunRow]:
    """The runs of a trigger, in order."""
    with world.platform.catalogue() as session:
        return session.query(RunRow).filter(RunRow.trigger_id == id).order_by(RunRow.id).all()


def launch_again(world: World) -> None:
    """Time passes: whoever had claimed a launch has it no longer."""
    with world.platform.catalogue() as session:
        session.query(RunRow).update({RunRow.launch_at: now()})
