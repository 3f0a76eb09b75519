"""The nodes of an executed pipeline graph, for a canvas that colours them."""

from pydantic import ConfigDict, Field

from api_shim.schemas.base import Moment, Reply
from dataops_defs.catalogue.run_nodes import NodeOfRun
from dataops_defs.domain.pipeline_run import NodeState
from dataops_defs.domain.progress import percent, share_of_rows
from dataops_defs.domain.run import RunState


class NodeOut(Reply):
    """One node of the graph that the execution began with, whatever the pipeline looks like by now.

    Waiting: what comes before it is not done. Skipped: a node before it failed, or the execution ended before its turn.
    Cancelled, paused: the execution was, while the node was at work; those not begun are cancelled with it.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "ds-1",
                    "type": "dataset",
                    "subjectId": "0192f3a1-0000-7000-8000-000000000002",
                    "status": "running",
                    "startedAt": "2025-11-02T10:00:00.000Z",
                    "rowsDone": 600,
                    "rowsTotal": 1234,
                    "percent": 48.6,
                }
            ]
        }
    )
    id: str
    type: str
    subject_id: str = Field(description="The source, dataset or mapping it stands for")
    status: NodeState
    started_at: Moment | None = None
    completed_at: Moment | None = None
    rows_done: int | None = None
    rows_total: int | None = None
    percent: float | None = Field(default=None, ge=0, le=100)
    ledger: dict[str, int] | None = None
    error: str | None = None
    error_code: str | None = None

    @classmethod
    def of(cls, found: NodeOfRun) -> "NodeOut":
        """The form of a node and its latest step."""
        node, step = found.node, found.step
        made = cls(
            id=node.node_id,
            type=str(node.type),
            subject_id=node.subject_id,
            status=found.state,
            started_at=node.started_at,
            completed_at=node.finished_at,
            error=found.error,
            error_code=node.error_code,
        )
        if step is not None:
            done = step.state is RunState.SUCCEEDED
            share = 1.0 if done else share_of_rows(step.rows_done, step.rows_total)
            made.rows_done, made.rows_total, made.ledger = step.rows_done, step.rows_total, step.ledger or None
            made.percent = None if share is None else percent(share, step.state)
        return made
