"""Nodes of executed pipeline graphs: what workers note of them, what is shown. The caller owns the transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, defer

from dataops_defs.catalogue.base import now
from dataops_defs.catalogue.models import PipelineRow, RunRow, RunStepRow
from dataops_defs.catalogue.run_node_rows import RunNodeRow
from dataops_defs.catalogue.runs import MAX_ERROR
from dataops_defs.domain.pipeline import Node, NodeType
from dataops_defs.domain.pipeline_graph import nodes_in_order
from dataops_defs.domain.pipeline_run import NodeState, shown_state
from dataops_defs.domain.run import RunKind
from dataops_defs.errors import Invalid


@dataclass(frozen=True)
class NodeOfRun:
    """A node of an execution, where it stands, and its latest step; a source node has none.

    ``error`` is the node's own, or that which ended the execution under it.
    """

    node: RunNodeRow
    state: NodeState
    step: RunStepRow | None = None
    error: str | None = None


class RunNodes:
    """All reads and writes of the nodes of executions."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def begin(self, run_id: str, pipeline: PipelineRow) -> Sequence[RunNodeRow]:
        """Keep the graph as it is now: every worker of the execution goes by it, whatever becomes of the pipeline.

        Raises:
            Invalid: the graph cannot run.
        """
        made = [_row(run_id, at, node) for at, node in enumerate(nodes_in_order(pipeline.nodes, pipeline.edges), 1)]
        self._session.add_all(made)
        steps = sum(row.type is not NodeType.SOURCE for row in made)
        name = func.coalesce(RunRow.subject_name, pipeline.name)
        self._session.execute(update(RunRow).where(RunRow.id == run_id).values(steps_total=steps, subject_name=name))
        return made

    def kept(self, run_id: str) -> Sequence[RunNodeRow]:
        """The nodes that an execution has begun with, in the order of work; none before that."""
        return self._rows([run_id])

    def note(
        self, run_id: str, node_id: str, state: NodeState, error: str | None = None, code: str | None = None
    ) -> None:
        """Note where a node stands now; that is a change of its execution."""
        begun = state is NodeState.RUNNING
        times = {"started_at": func.coalesce(RunNodeRow.started_at, now())} if begun else {"finished_at": now()}
        self._session.execute(
            update(RunNodeRow)
            .where(RunNodeRow.run_id == run_id, RunNodeRow.node_id == node_id)
            .values(state=state, error=error[:MAX_ERROR] if error else None, error_code=code, **times)
        )
        self._session.execute(update(RunRow).where(RunRow.id == run_id).values(updated_at=now()))

    def of(self, runs: Iterable[RunRow]) -> dict[str, list[NodeOfRun]]:
        """The nodes of those executions that are of pipelines, by the execution's id; in three queries at most.

        One whose work has not begun shows the graph that it would begin with now.
        """
        wanted = {run.id: run for run in runs if run.kind is RunKind.PIPELINE}
        if not wanted:
            return {}
        steps = self._latest_steps(list(wanted))
        shown: dict[str, list[NodeOfRun]] = {}
        for row in self._rows(list(wanted)):
            run = wanted[row.run_id]
            state = shown_state(row.state, run.state)
            error = row.error or (run.error if state is NodeState.FAILED else None)
            shown.setdefault(run.id, []).append(NodeOfRun(row, state, steps.get((run.id, row.node_id)), error))
        return shown | self._expected([run for id, run in wanted.items() if id not in shown and not run.state.ended])

    def _rows(self, run_ids: Sequence[str]) -> Sequence[RunNodeRow]:
        query = select(RunNodeRow).where(RunNodeRow.run_id.in_(run_ids))
        return self._session.scalars(query.order_by(RunNodeRow.run_id, RunNodeRow.position)).all()

    def _latest_steps(self, run_ids: Sequence[str]) -> dict[tuple[str, str], RunStepRow]:
        query = (
            select(RunStepRow)
            .where(RunStepRow.run_id.in_(run_ids), RunStepRow.node_id.is_not(None))
            .order_by(RunStepRow.id)
            .options(defer(RunStepRow.result, raiseload=True))
        )
        return {(step.run_id, step.node_id or ""): step for step in self._session.scalars(query)}

    def _expected(self, runs: Sequence[RunRow]) -> dict[str, list[NodeOfRun]]:
        ids = {run.subject_id for run in runs if run.subject_id}
        if not ids:
            return {}
        graphs = {row.id: row for row in self._session.scalars(select(PipelineRow).where(PipelineRow.id.in_(ids)))}
        found = {}
        for run in runs:
            if row := graphs.get(run.subject_id or ""):
                try:
                    nodes = nodes_in_order(row.nodes, row.edges)
                except Invalid:
                    continue
                found[run.id] = [
                    NodeOfRun(_row(run.id, at, node), NodeState.WAITING) for at, node in enumerate(nodes, 1)
                ]
        return found


def _row(run_id: str, position: int, node: Node) -> RunNodeRow:
    return RunNodeRow(
        run_id=run_id,
        node_id=node.id,
        position=position,
        type=node.type,
        subject_id=node.subject_id,
        after=list(node.after),
        state=NodeState.WAITING,
    )
