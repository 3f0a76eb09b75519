"""Execute a pipeline graph: sources answer, datasets are extracted, mappings synced, in the order of the edges."""

from collections.abc import Callable

from dataops_defs.catalogue.models import PipelineRow
from dataops_defs.catalogue.pipelines import Pipelines
from dataops_defs.catalogue.sources import Sources
from dataops_defs.domain.pipeline import Node, NodeType, execution_order, nodes_of
from dataops_defs.flows.extract_dataset import extract_dataset
from dataops_defs.flows.sync_mapping import sync_mapping
from dataops_defs.flows.work import Work, with_retries


def execute_pipeline(work: Work, pipeline_id: str) -> None:
    """Do the work of every node; the first that fails ends the run, what was published before it stays.

    Source: document 004, "Pipeline Execution Flow".
    """
    with work.platform.catalogue() as session:
        row: PipelineRow = Pipelines(session).get(pipeline_id)
    order = execution_order(nodes_of(row.nodes), row.edges)
    work.expect_steps(sum(node.type is not NodeType.SOURCE for node in order))
    for position, node in enumerate(order, start=1):
        work.say(f"Node {position} of {len(order)}: {node.type} '{node.id}'")
        WORK_OF[node.type](work, node)


def _answer(work: Work, node: Node) -> None:
    with work.platform.catalogue() as session:
        sources = Sources(session, work.platform.keyring)
        source = sources.opened(sources.get(node.subject_id))
    work.say(with_retries(work.say, work.open(source).test))


def _extract(work: Work, node: Node) -> None:
    extract_dataset(work, node.subject_id)


def _sync(work: Work, node: Node) -> None:
    sync_mapping(work, node.subject_id)


WORK_OF: dict[NodeType, Callable[[Work, Node], None]] = {
    NodeType.SOURCE: _answer,
    NodeType.DATASET: _extract,
    NodeType.MAPPING: _sync,
}
