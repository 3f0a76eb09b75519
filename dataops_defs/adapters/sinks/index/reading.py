"""What an index holds, for reconciliation."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dataops_defs.adapters.sinks.index.client import refusals
from dataops_defs.errors import DependencyUnavailable

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

KEEP_ALIVE = "5m"
# An index's default max_result_window.
MAX_PAGE = 10_000


def count(client: "Elasticsearch", name: str) -> int:
    """Documents that a search of the index or alias finds; 0 where there is none of that name."""
    with refusals():
        answer = client.options(ignore_status=404).count(index=name)
        if answer.meta.status == 404:
            return 0
        if answer["_shards"]["failed"]:
            raise DependencyUnavailable(f"Elasticsearch could not count all of {name}: shards do not answer")
        return int(answer["count"])


def documents(
    client: "Elasticsearch", name: str, columns: Sequence[str], batch_size: int
) -> Iterator[list[dict[str, Any]]]:
    """All documents as they stand when the first batch is read, in no particular order; fractions are decimals.

    Between two batches no more than five minutes may pass. Scrolling rather than a point in time, which only
    Elasticsearch itself has.
    """
    scroll: str | None = None
    try:
        with refusals():
            page = client.search(
                index=name,
                size=min(batch_size, MAX_PAGE),
                sort="_doc",
                scroll=KEEP_ALIVE,
                source_includes=list(columns),
                allow_partial_search_results=False,
            )
        while page["hits"]["hits"]:
            scroll = page["_scroll_id"]
            yield [hit["_source"] for hit in page["hits"]["hits"]]
            with refusals():
                page = client.scroll(scroll_id=scroll, scroll=KEEP_ALIVE)
    finally:
        if scroll is not None:
            with refusals():
                client.options(ignore_status=404).clear_scroll(scroll_id=scroll)
