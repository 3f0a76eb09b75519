"""Execute a pipeline graph: sources answer, datasets are extracted, mappings synced, in the order of the edges."""

from collections.abc import Callable, Mapping

import structlog

from dataops_defs.catalogue.pipelines import Pipelines
from dataops_defs.catalogue.run_node_rows import RunNodeRow
from dataops_defs.catalogue.run_nodes import RunNodes
from dataops_defs.catalogue.sources import Sources
from dataops_defs.domain.pipeline import NodeType
from dataops_defs.domain.pipeline_run import BLOCKING, SETTLED, NodeState
from dataops_defs.errors import DataOpsError, NodesFailed, RunStopped
from dataops_defs.flows.extract_dataset import extract_dataset
from dataops_defs.flows.failures import MOST_NAMED, named
from dataops_defs.flows.sync_mapping import sync_mapping
from dataops_defs.flows.work import UNFINISHED, Work, sentence, with_retries

LOG = structlog.get_logger()


def execute_pipeline(work: Work, pipeline_id: str) -> None:
    """Do the work of every node that can be done.

    A node that fails keeps those that depend on it from running, and no others; what was published stays. The graph is
    the one the execution began with. Source: document 004, "Pipeline Execution Flow".

    Raises:
        NodesFailed: nodes failed; all that do not depend on them are done.
    """
    with work.platform.catalogue() as session:
        known = RunNodes(session)
        nodes = known.kept(work.run_id) or known.begin(work.run_id, Pipelines(session).get(pipeline_id))
    states = {node.node_id: node.state for node in nodes}
    for node in nodes:
        if node.state not in SETTLED:
            states[node.node_id] = _settle(work, node, states, len(nodes))
    _tell_failures(work)


def _settle(work: Work, node: RunNodeRow, states: Mapping[str, NodeState], total: int) -> NodeState:
    """Do a node's work, unless a node before it was not done; what ends the whole run passes through."""
    work.lease.look()
    work.lease.check()  # a node that is not begun is not at work when the run pauses
    blocked = [f"'{id}'" for id in node.after if states[id] in BLOCKING]
    if blocked:
        reason = f"Skipped, for {', '.join(blocked[:MOST_NAMED])} did not complete"
        return _note(work, node, NodeState.SKIPPED, reason)
    work.say(f"Node {node.position} of {total}: {node.type} '{node.node_id}'")
    _note(work, node, NodeState.RUNNING)
    work.node = node.node_id
    try:
        WORK_OF[node.type](work, node.subject_id)
    except (*UNFINISHED, RunStopped):
        raise
    except Exception as error:
        if not isinstance(error, DataOpsError):
            LOG.error("a node failed", run_id=work.run_id, node=node.node_id, exc_info=error)
        work.say(f"Node '{node.node_id}' failed: {sentence(error)}")
        code = error.code if isinstance(error, DataOpsError) else DataOpsError.code
        return _note(work, node, NodeState.FAILED, sentence(error), code)
    finally:
        work.node = None
    return _note(work, node, NodeState.COMPLETED)


def _note(
    work: Work, node: RunNodeRow, state: NodeState, error: str | None = None, code: str | None = None
) -> NodeState:
    def attempt() -> None:
        with work.platform.catalogue() as session:
            RunNodes(session).note(work.run_id, node.node_id, state, error, code)

    with_retries(work.say, attempt)
    return state


def _tell_failures(work: Work) -> None:
    with work.platform.catalogue() as session:
        nodes = RunNodes(session).kept(work.run_id)
    failed = [node for node in nodes if node.state is NodeState.FAILED]
    if not failed:
        return
    told = named([(f"'{node.node_id}'", node.error) for node in failed])
    skipped = sum(node.state is NodeState.SKIPPED for node in nodes)
    left_out = f"; {skipped} that depend on them were skipped" if skipped else ""
    raise NodesFailed(f"{len(failed)} of {len(nodes)} nodes failed: {told}{left_out}")


def _answer(work: Work, source_id: str) -> None:
    with work.platform.catalogue() as session:
        sources = Sources(session, work.platform.keyring)
        source = sources.opened(sources.get(source_id))
    work.say(with_retries(work.say, work.open(source).test))


WORK_OF: dict[NodeType, Callable[[Work, str], object]] = {
    NodeType.SOURCE: _answer,
    NodeType.DATASET: extract_dataset,
    NodeType.MAPPING: sync_mapping,
}
