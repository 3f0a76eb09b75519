"""One catalogue snapshot becomes one set of definitions; a broken row is set aside, named, never fatal."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any

import dagster as dg

from dataops_defs.catalogue.fingerprint import fingerprint
from dataops_defs.catalogue.integrity import Problem, find_problems, note_problems
from dataops_defs.catalogue.kept_snapshots import KeptSnapshots
from dataops_defs.catalogue.snapshot import read_snapshot
from dataops_defs.catalogue.triggers import SUBJECT as TRIGGER
from dataops_defs.defs import assets, specs
from dataops_defs.defs.alerts import deliver_alerts
from dataops_defs.defs.checks import import_check
from dataops_defs.defs.jobs import static_jobs
from dataops_defs.defs.launching import launching_sensors
from dataops_defs.defs.mounts import mounts_sensor
from dataops_defs.defs.resources import PlatformResource
from dataops_defs.defs.retention import retention_job, retention_schedule
from dataops_defs.defs.schedules import schedule_definition
from dataops_defs.defs.selection import Selected
from dataops_defs.defs.sensors import automation_sensor, watch_sensor
from dataops_defs.defs.triggers import mail_ends, trigger_schedule, trigger_sensor
from dataops_defs.defs.upstream import Upstream
from dataops_defs.domain import naming
from dataops_defs.domain.columns import Column
from dataops_defs.domain.etl import EtlTarget
from dataops_defs.domain.importing import ImportTarget, TargetFormat
from dataops_defs.domain.trigger import TriggerType
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.tables_read import tables_read
from dataops_defs.settings import settings

State = dict[str, Any]
Revision = dict[str, Any]
Rows = Mapping[str, Mapping[str, Any]]
Asset = dg.AssetsDefinition | dg.AssetSpec


def read_state() -> State:
    """All definitions of the catalogue, those that cannot be loaded, whose reasons are kept with their rows, and the
    tables that they read.
    """
    platform = Platform(settings())
    with platform.catalogue() as session:
        snapshot = read_snapshot(session)
    problems = find_problems(snapshot)
    with platform.catalogue() as session:
        note_problems(session, problems)
    return {
        **snapshot,
        "problems": [asdict(each) for each in problems],
        "tables": tables_read(platform, snapshot),
    }


def keep_state(state: State) -> Revision:
    """Keep a state for the workers of runs; its revision is all that travels with a run."""
    with Platform(settings()).catalogue() as session:
        return {"revision": KeptSnapshots(session).keep(state)}


def state_of(revision: str) -> State:
    """The state of a revision."""
    with Platform(settings()).catalogue() as session:
        return KeptSnapshots(session).read(revision)


@lru_cache(maxsize=1)
def build_revision(revision: str, only: Selected | None = None) -> dg.Definitions:
    """The definitions of a revision; Dagster asks for them twice in each process that loads the location.

    A worker whose run selects no assets need not even read it.
    """
    nothing = only is not None and not only.assets and only.pipeline is None
    return build_definitions({} if nothing else state_of(revision), only)


def build_definitions(state: State, only: Selected | None = None) -> dg.Definitions:
    """Assets, jobs, schedules and sensors of one state, or only the assets and jobs that a run selects."""
    builder = _Builder(state, only)
    jobs = static_jobs()
    by_name = {job.name: job for job in jobs}
    served = only is None
    return dg.Definitions(
        assets=builder.assets(),
        asset_checks=builder.checks(),
        jobs=[*jobs, retention_job, *builder.pipeline_jobs()],
        schedules=[retention_schedule, *builder.schedules(by_name)] if served else [],
        sensors=[
            *launching_sensors(jobs, fingerprint(state)),
            automation_sensor,
            deliver_alerts,
            mounts_sensor,
            mail_ends,
            *builder.watch_sensors(by_name["import_arrivals"]),
            *builder.trigger_sensors(by_name),
        ]
        if served
        else [],
        resources={"platform": PlatformResource()},
        executor=dg.in_process_executor,
    )


class _Builder:
    """Builds each kind row by row; a row that fails is added to the problems."""

    def __init__(self, state: State, only: Selected | None) -> None:
        self._problems = [Problem(**each) for each in state.get("problems", [])]
        broken = {each.id for each in self._problems}
        self._rows: dict[str, dict[str, Mapping[str, Any]]] = {
            kind: {row["id"]: row for row in rows if row["id"] not in broken}
            for kind, rows in state.items()
            if kind not in ("problems", "tables")
        }
        self._tables = state.get("tables")
        self._upstream = Upstream(self._rows)
        self._taken: set[dg.AssetKey] = set()
        self._only = only and self._with_nodes(only)

    def assets(self) -> list[Asset]:
        """Assets of all sound rows, and one for each row that was set aside."""
        sources, datasets = self._of("sources"), self._of("datasets")
        types, mappings, watches = self._of("object_types"), self._of("mappings"), self._of("watches")
        made = self._each("sources", specs.source_spec)
        made += self._each("datasets", lambda row: assets.dataset_asset(row, sources[row["source_id"]]))
        made += self._each(
            "mappings",
            lambda row: assets.mapping_asset(row, datasets[row["dataset_id"]], types[row["object_type_id"]]),
        )
        writers: dict[str, list[Mapping[str, Any]]] = {}
        for row in mappings.values():
            writers.setdefault(row["object_type_id"], []).append(row)
        made += self._each("object_types", lambda row: specs.object_type_spec(row, writers.get(row["id"], [])))
        made += self._each("datamarts", lambda row: assets.datamart_asset(row, self._upstream.of(row)))
        made += self._each("etl_pipelines", lambda row: assets.etl_asset(row, self._upstream.of_pipeline(row)))
        if self._only is not None:
            return made
        made += self._each("watches", specs.watch_spec)
        made += self._each("watches", specs.gathered_spec, [row for row in watches.values() if row["target_table"]])
        made += self._etl_targets()
        made += self._imported_tables(watches)
        made += self._plain_tables()
        return made + [specs.problem_spec(each.kind, each.name, each.slug, each.reason) for each in self._problems]

    def checks(self) -> list[dg.AssetChecksDefinition]:
        """Of the tables that imports have made, or will make."""
        found = [(row["format"], row["schema"], row["table"]) for row in self._of("import_targets").values()]
        gathering = [row for row in self._of("watches").values() if row["target_table"]]
        found += [(TargetFormat.POSTGRES, row["target_schema"], row["target_table"]) for row in gathering]
        targets = {naming.import_key(*each): str(ImportTarget(TargetFormat(each[0]), *each[1:])) for each in found}
        if self._only is not None:
            targets = {path: each for path, each in targets.items() if path in self._only.assets}
        return [import_check(targets)] if targets else []

    def pipeline_jobs(self) -> list[Any]:
        """An asset job over the nodes of each pipeline graph."""
        return self._each("pipelines", self._pipeline_job)

    def schedules(self, jobs: Mapping[str, dg.JobDefinition]) -> list[dg.ScheduleDefinition]:
        """One Dagster schedule for each row."""
        triggers = self._of("triggers")

        def made(row: Mapping[str, Any]) -> dg.ScheduleDefinition:
            if row["subject_kind"] == TRIGGER:
                return trigger_schedule(row, triggers[row["subject_id"]], jobs)
            return schedule_definition(row, jobs)

        return self._each("schedules", made)

    def watch_sensors(self, job: dg.JobDefinition) -> list[dg.SensorDefinition]:
        """One sensor for each watched folder."""
        return self._each("watches", lambda row: watch_sensor(row, job))

    def trigger_sensors(self, jobs: Mapping[str, dg.JobDefinition]) -> list[dg.SensorDefinition]:
        """One sensor for each file trigger."""
        rows = [row for row in self._of("triggers").values() if row["type"] == TriggerType.FILE]
        return self._each("triggers", lambda row: trigger_sensor(row, jobs), rows)

    def _of(self, kind: str) -> Rows:
        return self._rows.get(kind, {})

    def _each(
        self, kind: str, build: Callable[[Mapping[str, Any]], Any], rows: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Any]:
        made = []
        for row in list(self._of(kind).values()) if rows is None else rows:
            if self._only is not None and not self._only.takes(kind, row):
                continue
            try:
                thing = build(row)
                self._claim(thing)
            except Exception as error:  # whatever a row does to Dagster, the others must load
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                slug = row.get("slug") or row["name"]
                self._problems.append(Problem(kind, row["id"], row["name"], slug, reason))
            else:
                made.append(thing)
        return made

    def _claim(self, thing: object) -> None:
        """Two equal asset keys would make Dagster refuse the whole location."""
        keys = {thing.key} if isinstance(thing, dg.AssetSpec | dg.AssetsDefinition) else set()
        if keys & self._taken:
            raise ValueError(f"another definition is already shown as {min(keys).to_user_string()}")
        self._taken |= keys

    def _with_nodes(self, only: Selected) -> Selected:
        """A pipeline graph's job needs the assets of its nodes."""
        graphs = [row for row in self._of("pipelines").values() if only.takes("pipelines", row)]
        nodes = {path for row in graphs for node in row["nodes"] if (path := self._node_key(node))}
        return replace(only, assets=only.assets | nodes)

    def _pipeline_job(self, row: Mapping[str, Any]) -> Any:
        keys = [dg.AssetKey(list(path)) for node in row["nodes"] if (path := self._node_key(node))]
        if not keys:
            raise ValueError("it has no dataset or mapping to run")
        return dg.define_asset_job(
            naming.pipeline_job_name(row["slug"]),
            selection=dg.AssetSelection.assets(*keys),
            description=row["description"] or f"All datasets and mappings of pipeline '{row['name']}'",
            tags={"dataops/id": row["id"], "dataops/kind": "pipeline"},
        )

    def _node_key(self, node: Mapping[str, Any]) -> naming.AssetPath | None:
        if node["type"] == "dataset":
            row = self._of("datasets")[node["data"]["datasetId"]]
            return naming.dataset_key(row["app"], row["slug"])
        if node["type"] == "mapping":
            row = self._of("mappings")[node["data"]["mappingId"]]
            return naming.mapping_key(row["app"], row["slug"])
        return None

    def _etl_targets(self) -> list[Asset]:
        """One asset for each target; a table that another definition makes is shown by that."""
        writers: dict[str, list[Mapping[str, Any]]] = {}
        for row in self._of("etl_pipelines").values():
            writers.setdefault(row["target_table"], []).append(row)
        return self._unclaimed(specs.etl_target_spec(EtlTarget.of(target), rows) for target, rows in writers.items())

    def _imported_tables(self, watches: Rows) -> list[Asset]:
        """One asset for each table that imports have made; one that another definition makes is shown by that."""
        found = [(row, watches.get(row["watch_id"])) for row in self._of("import_targets").values()]
        return self._unclaimed(specs.imported_spec(row, watch) for row, watch in found)

    def _plain_tables(self) -> list[Asset]:
        """One asset for each table of the warehouse that is read, and that no definition makes."""
        known = {naming.table_key(each["schema"], each["table"]): each["columns"] for each in self._tables or []}
        columns = {path: [Column.from_json(each) for each in held] for path, held in known.items()}
        unknown: list[Column] | None = None if self._tables is None else []
        return self._unclaimed(
            specs.plain_table_spec(path, columns.get(path, unknown)) for path in self._upstream.tables()
        )

    def _unclaimed(self, made: Iterable[dg.AssetSpec]) -> list[Asset]:
        """Those that no other definition is shown as."""
        free: list[Asset] = []
        for spec in made:
            if spec.key not in self._taken:
                self._taken.add(spec.key)
                free.append(spec)
        return free
