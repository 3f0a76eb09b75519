"""Static jobs: work on any definition by its id, also one created a moment ago that no asset was loaded for yet.

They call the flows the assets call, and log the materialisation for the asset's key.
"""

from collections.abc import Callable

import dagster as dg
from pydantic import Field

from dataops_defs.defs.metadata import check_evaluation, materialization_metadata
from dataops_defs.defs.resources import PlatformResource
from dataops_defs.defs.running import AlreadyTaken, Ordered, work_of_job
from dataops_defs.domain.naming import op_name
from dataops_defs.domain.run import JOB_OF, RunKind
from dataops_defs.errors import RunPaused
from dataops_defs.flows.detect_relationships import detect_relationships
from dataops_defs.flows.drop_data import drop_data
from dataops_defs.flows.execute_pipeline import execute_pipeline
from dataops_defs.flows.export_workbook import export_workbook
from dataops_defs.flows.extract_dataset import extract_dataset
from dataops_defs.flows.import_arrivals import import_arrivals
from dataops_defs.flows.import_file import import_file
from dataops_defs.flows.outcome import Outcome
from dataops_defs.flows.refresh_datamart import refresh_datamart
from dataops_defs.flows.replay_rejects import replay_rejects
from dataops_defs.flows.run_etl import run_etl
from dataops_defs.flows.sync_mapping import sync_mapping
from dataops_defs.flows.work import Work

FLOWS: dict[RunKind, tuple[Callable[[Work, str], object], str]] = {
    RunKind.EXTRACT: (extract_dataset, "Extract a dataset into the raw store"),
    RunKind.SYNC: (sync_mapping, "Sync a mapping's dataset into objects"),
    RunKind.PIPELINE: (execute_pipeline, "Execute a pipeline graph"),
    RunKind.REFRESH: (refresh_datamart, "Fill a datamart again"),
    RunKind.IMPORT: (import_file, "Import a file that was asked for"),
    RunKind.ARRIVALS: (import_arrivals, "Import files that were found in a watched folder, each for itself"),
    RunKind.REPLAY: (replay_rejects, "Try the rejected rows of a mapping again, with the corrections that were given"),
    RunKind.DETECT: (detect_relationships, "Detect how tables relate, once more as an earlier request asked for it"),
    RunKind.DROP: (drop_data, "Drop what deleted definitions left behind, as a request asked for it"),
    RunKind.EXPORT: (export_workbook, "Export rows of the warehouse as an Excel workbook"),
    RunKind.ETL: (run_etl, "Run an ETL pipeline, or go on with it"),
}


class Subject(dg.Config):
    """What to work on. A run asked for over REST carries the id of its record."""

    subject_id: str = Field(description="Catalogue id of the dataset, mapping, pipeline, datamart or file")
    run_id: str | None = Field(default=None, description="Id of the run record; made when left out")
    dry_run: bool = Field(default=False, description="Only tell what would be done, and keep nothing of it")


def static_jobs() -> list[dg.JobDefinition]:
    """One job for each kind of work."""
    return [_job(JOB_OF[kind], kind, flow, description) for kind, (flow, description) in FLOWS.items()]


def _job(name: str, kind: RunKind, flow: Callable[[Work, str], object], description: str) -> dg.JobDefinition:
    @dg.op(name=op_name(name), description=description)
    def body(context: dg.OpExecutionContext, config: Subject, platform: PlatformResource) -> None:
        try:
            order = Ordered(kind, config.subject_id, config.run_id, config.dry_run)
            with work_of_job(context, platform.open(), order) as work:
                work.report = lambda outcome: log_outcome(context, outcome)
                flow(work, config.subject_id)
        except (AlreadyTaken, RunPaused) as reason:
            context.log.warning(str(reason))

    @dg.job(name=name, description=description, tags={"dataops/kind": str(kind)})
    def job() -> None:
        body()

    return job


def log_outcome(context: dg.OpExecutionContext, outcome: Outcome) -> None:
    """Log a finished step for its assets, as their own materialisation would."""
    metadata = materialization_metadata(outcome)
    keys = [dg.AssetKey(list(path)) for path in outcome.assets]
    for key in keys:
        context.log_event(dg.AssetMaterialization(key, metadata=metadata))
    for check in outcome.checks:
        # Dagster takes a check's evaluation here; its annotation does not name it.
        context.log_event(check_evaluation(check, keys[0]))  # type: ignore[arg-type]
    if outcome.gone:
        # Dagster lists for ever what was materialised once, unless its history goes too.
        context.instance.wipe_assets([dg.AssetKey(list(path)) for path in outcome.gone])
