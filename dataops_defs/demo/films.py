"""The demo's ETL pipelines: a full load that is paused and goes on, then what is new, by document 003's API."""

import time
from typing import Any

from rich.console import Console
from rich.table import Table

from dataops_defs.adapters.warehouse.connection import warehouse_connection
from dataops_defs.demo.client import Client
from dataops_defs.errors import DataOpsError

PIPELINES = "/api/v1/pipelines"
FULL: dict[str, Any] = {
    "name": "films_full",
    "description": "Every film, in small batches",
    "mode": "full",
    "target_table": "analytics.film_dim",
    "batch_size": 5,
    "source_query": "SELECT id AS film_id, title, rating FROM content.film_work",
}
INCREMENTAL: dict[str, Any] = {
    "name": "film_ratings_new",
    "description": "Films whose entry or ratings have changed",
    "mode": "incremental",
    "target_table": "analytics.film_rating_agg",
    "batch_size": 200,
    "source_query": "SELECT f.id AS film_id, f.title, count(r.id) AS ratings,"
    " avg(r.score)::numeric(4, 2) AS average_score, greatest(f.updated_at, max(r.rated_at)) AS updated_at"
    " FROM content.film_work f LEFT JOIN content.film_rating r ON r.film_id = f.id GROUP BY f.id",
    "key_columns": ["film_id"],
}
# Each is a day later than all that was there, so that a demo that runs again has news as well.
NEWS = """
WITH news AS (
    SELECT greatest(max(f.updated_at), max(r.rated_at)) + interval '1 day' AS at
    FROM content.film_work f LEFT JOIN content.film_rating r ON r.film_id = f.id
)
UPDATE content.film_work SET title = 'Film ' || id || ' (restored ' || news.at::date || ')', updated_at = news.at
FROM news WHERE id IN (7, 77, 777);
INSERT INTO content.film_rating
SELECT last.id + n, n, 10, greatest(last.at, (SELECT max(updated_at) FROM content.film_work)) + interval '1 day'
FROM (SELECT max(id) AS id, max(rated_at) AS at FROM content.film_rating) last, generate_series(1, 5) AS n;
"""
SECONDS = 120


class Films:
    """Runs both pipelines, and says what each run did."""

    def __init__(self, client: Client, warehouse: str, console: Console) -> None:
        self._client, self._warehouse, self._console = client, warehouse, console
        self._table = Table(title="Runs of ETL pipelines", title_justify="left")
        for name in ("pipeline", "run", "read", "written", "rejected", "target equals source"):
            self._table.add_column(name, justify="left" if name in ("pipeline", "run") else "right")

    def run(self) -> Table:
        """Everything; a table of what became of the rows."""
        full, new = self._ensure(FULL), self._ensure(INCREMENTAL)
        self._told(full, "full, paused and resumed" if self._pause_and_resume(full) else "full")
        ran_before = bool(self._client.send("GET", f"{PIPELINES}/{new}/runs?limit=1"))
        self._run(new)
        self._told(new, "incremental, before the changes" if ran_before else "incremental, the first")
        with warehouse_connection(self._warehouse) as connection, connection.cursor() as cursor:
            cursor.execute(NEWS)
        self._console.print("  3 films get another title, 5 films a new rating")
        self._run(new)
        self._told(new, "incremental, after the changes")
        return self._table

    def _ensure(self, body: dict[str, Any]) -> str:
        known = {each["name"]: each["id"] for each in self._client.send("GET", PIPELINES)}
        if body["name"] in known:
            return str(known[body["name"]])
        return str(self._client.send("POST", PIPELINES, body)["id"])

    def _pause_and_resume(self, id: str) -> bool:
        """Whether the pause came before the end."""
        self._client.send("POST", f"{PIPELINES}/{id}/run")
        self._wait(id, lambda state: state["status"] == "RUNNING" and state["load_position"] > 0)
        self._client.send("POST", f"{PIPELINES}/{id}/pause")
        state = self._wait(id, lambda state: state["status"] == "PAUSED")
        if state["status"] != "PAUSED":
            return False
        where = f"{state['load_position']} of {state['load_rows']} rows"
        self._console.print(f"  {FULL['name']} is paused after {where}; readers see none of them yet")
        self._run(id)
        return True

    def _run(self, id: str) -> None:
        self._client.send("POST", f"{PIPELINES}/{id}/run")
        self._wait(id, lambda state: state["status"] == "IDLE")

    def _wait(self, id: str, there: Any) -> dict[str, Any]:
        """Its state once it is there, or has come to its end before."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            state: dict[str, Any] = self._client.send("GET", f"{PIPELINES}/{id}/state")
            if state["status"] == "FAILED":
                raise DataOpsError(f"The pipeline failed: {state['error_message']}")
            if there(state) or state["status"] == "IDLE":
                return state
            time.sleep(0.05)
        raise DataOpsError(f"The pipeline stands at {state['status']} after {SECONDS} s")

    def _told(self, id: str, run: str) -> None:
        name = self._client.send("GET", f"{PIPELINES}/{id}")["name"]
        [last] = self._client.send("GET", f"{PIPELINES}/{id}/runs?limit=1")
        same = self._client.send("GET", f"{PIPELINES}/{id}/reconciliation")["in_sync"]
        counts = (f"{last[count]:,}" for count in ("rows_read", "rows_written", "rows_rejected"))
        self._table.add_row(name, run, *counts, "yes" if same else "no")
