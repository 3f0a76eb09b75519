"""Triggers in the catalogue. The caller owns the transaction."""

import base64
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from dataops_defs.catalogue.base import Named, now
from dataops_defs.catalogue.definitions import MOST_NAMED, Definitions
from dataops_defs.catalogue.models import EtlPipelineRow, PipelineRow, ScheduleRow
from dataops_defs.catalogue.pipeline_registry import Pipeline
from dataops_defs.catalogue.schedules import Schedules
from dataops_defs.catalogue.sealing import Keyring, seal_to_keep, unseal
from dataops_defs.catalogue.trigger_rows import TriggerRow
from dataops_defs.domain.alert_channels import ENCODED_SECRET
from dataops_defs.domain.schedule import Schedule
from dataops_defs.domain.trigger import TriggerStatus, TriggerType
from dataops_defs.errors import NotFound

PREFIX = "trigger_"
SUBJECT = "trigger"
"""The kind of subject that a trigger is in the one schedule table."""
SECRET_BYTES = 32
MAX_REASON = 500


def public_id(id: str) -> str:
    """A trigger's id as document 000 prints it."""
    return f"{PREFIX}{id.replace('-', '')}"


def secret_context(id: str) -> str:
    """What a trigger's sealed secret belongs to."""
    return f"trigger:{id}:secret"


def status_of(row: TriggerRow) -> TriggerStatus:
    """Whether it fires."""
    return TriggerStatus.PAUSED if row.paused_at else TriggerStatus.ACTIVE


def triggers_of(session: Session, row: EtlPipelineRow | PipelineRow) -> Sequence[TriggerRow]:
    """The triggers of a pipeline; of very many some."""
    column = TriggerRow.etl_pipeline_id if isinstance(row, EtlPipelineRow) else TriggerRow.graph_id
    return session.scalars(select(TriggerRow).where(column == row.id).order_by(TriggerRow.id).limit(MOST_NAMED)).all()


class Triggers(Definitions[TriggerRow]):
    """All reads and writes of triggers."""

    row = TriggerRow
    noun = "trigger"

    def find(self, id: str, *, lock: bool = False) -> TriggerRow | None:
        """The trigger of that id, with its prefix or without, or None."""
        return super().find(id.removeprefix(PREFIX), lock=lock)

    def get(self, id: str, *, lock: bool = False) -> TriggerRow:
        """The trigger of that id.

        Raises:
            NotFound: there is none.
        """
        found = self.find(id, lock=lock)
        if found is None:
            raise NotFound(f"Trigger {id[:80]} not found")
        return found

    def dependants(self, row: TriggerRow) -> Sequence[Named]:
        """Nothing is built on a trigger; its runs stay."""
        return []

    def of_pipeline(
        self, pipeline: Pipeline | None, *, limit: int, offset: int = 0
    ) -> tuple[Sequence[TriggerRow], int]:
        """Triggers, the oldest first, and how many there are; of all pipelines where none is given."""
        wanted: list[ColumnElement[bool]] = []
        if pipeline is not None:
            etl = isinstance(pipeline.row, EtlPipelineRow)
            wanted = [(TriggerRow.etl_pipeline_id if etl else TriggerRow.graph_id) == pipeline.row.id]
        total = self.session.scalar(select(func.count()).select_from(TriggerRow).where(*wanted)) or 0
        query = select(TriggerRow).where(*wanted).order_by(TriggerRow.id).limit(limit).offset(offset)
        return self.session.scalars(query).all(), total

    def pipeline(self, row: TriggerRow) -> Pipeline:
        """What it runs."""
        return self.pipelines([row])[row.id]

    def pipelines(self, rows: Sequence[TriggerRow]) -> Mapping[str, Pipeline]:
        """What several of them run, by the trigger's id."""
        etl = select(EtlPipelineRow).where(EtlPipelineRow.id.in_([each.etl_pipeline_id for each in rows]))
        graphs = select(PipelineRow).where(PipelineRow.id.in_([each.graph_id for each in rows]))
        found: dict[str | None, EtlPipelineRow | PipelineRow] = {each.id: each for each in self.session.scalars(etl)}
        found |= {each.id: each for each in self.session.scalars(graphs)}
        return {each.id: Pipeline(found[each.etl_pipeline_id or each.graph_id]) for each in rows}

    def schedule(self, row: TriggerRow, cron: str) -> ScheduleRow:
        """Make the schedule of a cron trigger."""
        wanted = Schedule(cron, row.timezone, enabled=row.paused_at is None)
        return Schedules(self.session).put(SUBJECT, row.id, row.slug, wanted)

    def pause(self, row: TriggerRow) -> None:
        """Let it fire no more; one that is paused already stays so, since when it was.

        Dagster is told in any case: somebody may have started it there a moment ago.
        """
        self._turn(row, row.paused_at or now())

    def resume(self, row: TriggerRow) -> None:
        """Let it fire again; Dagster is told in any case."""
        self._turn(row, None)

    def follow(self, id: str, running: bool) -> None:
        """Note that somebody has started or stopped it in Dagster."""
        row = self.find(id)
        if row is not None and not row.pending and running == (row.paused_at is not None):
            row.paused_at = None if running else now()

    def file_triggers(self) -> Sequence[TriggerRow]:
        """Those that Dagster has a sensor for."""
        return self.session.scalars(select(TriggerRow).where(TriggerRow.type == TriggerType.FILE)).all()

    def told(self, told: TriggerRow) -> None:
        """Note that Dagster was told of a pause or a resumption, unless it was changed once more meanwhile."""
        row = self.find(told.id, lock=True)
        if row is not None and row.paused_at == told.paused_at:
            row.pending = False

    def skipped(self, id: str, reason: str) -> None:
        """Note why it was passed over the last time."""
        row = self.find(id)
        if row is not None:
            row.skipped_at, row.skip_reason = now(), reason[:MAX_REASON]

    def new_secret(self, row: TriggerRow, keyring: Keyring) -> str:
        """Give a webhook trigger a secret; it is shown once, and kept sealed. An earlier one counts no more."""
        shown = ENCODED_SECRET + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
        row.secret = seal_to_keep(self.session, keyring, shown.encode(), secret_context(row.id))
        return shown

    def _turn(self, row: TriggerRow, paused_at: datetime | None) -> None:
        row.paused_at = paused_at
        row.pending = row.type is TriggerType.FILE
        schedule = Schedules(self.session).of(row.id)
        if schedule is not None:
            schedule.enabled, schedule.pending = paused_at is None, True


def opened_secret(row: TriggerRow, keyring: Keyring) -> str | None:
    """The secret of a webhook trigger, as it was shown."""
    return unseal(keyring, row.secret, secret_context(row.id)).decode() if row.secret else None
