"""Deleting a definition; where an admin asks for it, with what is built on it and with what it leaves behind.

Source: DECISIONS 30.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Query, Response

from api_shim.changes import clear_schedule
from api_shim.dependencies import Change, ChangeDep
from api_shim.grants import sources_for
from api_shim.trigger_requests import clear_trigger
from dataops_defs.adapters.storage.raw_copy import folder_of
from dataops_defs.catalogue.base import Named
from dataops_defs.catalogue.datasets import Datasets
from dataops_defs.catalogue.definitions import Definitions, called
from dataops_defs.catalogue.etl_pipelines import EtlPipelines
from dataops_defs.catalogue.mappings import Mappings
from dataops_defs.catalogue.models import DatasetRow, EtlPipelineRow, MappingRow, ObjectTypeRow, PipelineRow, SourceRow
from dataops_defs.catalogue.mount_rows import MountRow
from dataops_defs.catalogue.object_types import ObjectTypes, object_type_of
from dataops_defs.catalogue.outbox import Outbox
from dataops_defs.catalogue.pipelines import Pipelines
from dataops_defs.catalogue.runs import Runs
from dataops_defs.catalogue.tokens import Role
from dataops_defs.catalogue.trigger_rows import TriggerRow
from dataops_defs.catalogue.triggers import Triggers
from dataops_defs.catalogue.watch_rows import WatchRow
from dataops_defs.catalogue.watches import Watches
from dataops_defs.domain.dataset import DEFAULT_BUCKET
from dataops_defs.domain.leftover import LEFTOVERS, Leftover, LeftoverKind
from dataops_defs.domain.naming import dataset_key, object_type_key, raw_key
from dataops_defs.domain.run import RunKind
from dataops_defs.errors import Forbidden, Invalid
from dataops_defs.flows.etl_state import clear_away

Cascade = Annotated[bool, Query(description="Also what is built on it; takes an admin")]
Drop = Annotated[bool, Query(description="Also the tables and raw copies that it leaves behind; takes an admin")]


def check_reach(change: Change, *, cascade: bool, drop: bool) -> None:
    """Refuse whoever wants more to go than one definition and is no admin.

    Raises:
        Forbidden: cascade and drop take an admin.
    """
    if (cascade or drop) and change.caller.role < Role.ADMIN:
        raise Forbidden("cascade and drop take an admin's token")


@dataclass(frozen=True)
class Kind:
    """How definitions of one kind are deleted: what finds them, what goes with them, what they leave behind."""

    action: str
    repository: Callable[[Change], Definitions[Any]]
    clear: Callable[[Change, Any], None] = lambda _change, _row: None
    leftover: Callable[[Change, Any], Leftover | None] = lambda _change, _row: None


class Deletion:
    """One deletion as a request asks for it. What is to be dropped goes in an execution of its own, named in Location.

    Raises:
        Forbidden: ``cascade`` and ``drop`` take an admin.
    """

    def __init__(self, change: ChangeDep, response: Response, cascade: Cascade = False, drop: Drop = False) -> None:
        check_reach(change, cascade=cascade, drop=drop)
        self._change, self._response = change, response
        self._cascade, self._drop = cascade, drop
        self._deleted: list[str] = []

    def of(self, row: Named) -> list[str]:
        """Delete a definition. Returns what was deleted, as people call it: what was built on it, and itself.

        Raises:
            Conflict: something is built on it; something of it is at work.
            Invalid: what it leaves behind cannot be dropped from here.
        """
        leftovers = self._delete(row, {})
        if leftovers:
            self._response.headers["Location"] = order_drop(self._change, row.id, row.name, leftovers)
        return self._deleted

    def _delete(self, row: Named, because: dict[str, str]) -> list[Leftover]:
        change, kind = self._change, KINDS[type(row)]
        repository, gone = kind.repository(change), []
        while self._cascade and (dependants := repository.dependants(row)):
            gone += self._delete(dependants[0], {"with": called(row)})
        left = kind.leftover(change, row) if self._drop else None
        repository.remove(row)
        self._deleted.append(called(row))
        kind.clear(change, row)
        change.define(f"{kind.action}.delete", row, because)
        return [*gone, left] if left else gone


def order_drop(change: Change, id: str, name: str, leftovers: Sequence[Leftover]) -> str:
    """Have what was left behind dropped: the request is a row of this very transaction, the outbox launches it.

    Returns:
        Where the execution is looked at.
    """
    settings = change.shim.settings
    Outbox(change.session).refuse_when_full(settings.max_waiting_runs)
    run = Runs(change.session).request(
        RunKind.DROP,
        id,
        name,
        requested_by=change.actor.name,
        request_id=change.actor.request_id,
        parameters={LEFTOVERS: [each.as_json() for each in leftovers]},
        timeout_seconds=settings.max_runtime_seconds,
    )
    change.note("data.drop", id, {"executionId": run.id, "places": [each.place for each in leftovers]})
    return f"/api/v1/dataops/executions/{run.id}"


def _raw_copies(change: Change, row: DatasetRow) -> Leftover:
    key = raw_key(row.storage.get("prefix") or row.app, row.id, datetime.min.replace(tzinfo=UTC), "parquet")
    place = change.shim.platform.raw_store.folder(row.storage.get("bucket") or DEFAULT_BUCKET, key)
    folder, asset = folder_of(row.raw_uri) if row.raw_uri else place, dataset_key(row.app, row.slug)
    return Leftover(LeftoverKind.RAW_COPIES, row.id, row.name, folder, asset=asset)


def _objects(_change: Change, row: ObjectTypeRow) -> Leftover:
    kind = object_type_of(row)
    if kind.dynamodb_table is not None:
        raise Invalid.field("drop", f"'{row.name}' lives in the DynamoDB table {kind.dynamodb_table}: delete it there")
    asset = object_type_key(row.app, row.slug)
    return Leftover(LeftoverKind.RELATION, row.id, row.name, kind.address, asset=asset)


def _clear_etl(change: Change, row: EtlPipelineRow) -> None:
    clear_away(change.shim.platform, row)


KINDS: dict[type[Any], Kind] = {
    SourceRow: Kind("source", lambda change: sources_for(change.session, change.shim, change.caller)),
    DatasetRow: Kind("dataset", lambda change: Datasets(change.session), clear_schedule, _raw_copies),
    ObjectTypeRow: Kind("object_type", lambda change: ObjectTypes(change.session), leftover=_objects),
    MappingRow: Kind("mapping", lambda change: Mappings(change.session), clear_schedule),
    PipelineRow: Kind("pipeline", lambda change: Pipelines(change.session), clear_schedule),
    EtlPipelineRow: Kind("etl", lambda change: EtlPipelines(change.session), _clear_etl),
    MountRow: Kind("mount", lambda change: change.shim.platform.mounts(change.session)),
    WatchRow: Kind("watch", lambda change: Watches(change.session)),
    TriggerRow: Kind("trigger", lambda change: Triggers(change.session), clear_trigger),
}

DeletionDep = Annotated[Deletion, Depends(Deletion)]
