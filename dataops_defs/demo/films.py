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
# The same every time, so that a demo that runs again finds nothing new.
NEWS = """
UPDATE content.film_work SET title = 'Film ' || id || ' (restored)', updated_at = '2024-03-01'
WHERE id IN (7, 77, 777) AND title NOT LIKE '%restored%';
INSERT INTO content.film_rating SELECT 100000 + n, n, 10, timestamp '2024-03-02' FROM generate_series(1, 5) AS n
ON CONFLICT DO NOTHING;
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
        self._pause_and_resume(full)
        self._told(full, "full, paused and resumed")
        self._run(new)
        self._told(new, "incremental, the first")
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

    def _pause_and_resume(self, id: str) -> None:
        self._client.send("POST", f"{PIPELINES}/{id}/run")
        self._wait(id, lambda state: state["status"] == "RUNNING" and state["load_position"] > 0)
        self._client.send("POST", f"{PIPELINES}/{id}/pause")
        state = self._wait(id, lambda state: state["status"] in ("PAUSED", "IDLE"))
        where = f"{state['load_position']} of {state['load_rows']} rows"
        self._console.print(f"  {FULL['name']} is {state['status']} after {where}; readers see the old table")
        self._run(id)

    def _run(self, id: str) -> None:
        self._client.send("POST", f"{PIPELINES}/{id}/run")
        state = self._wait(id, lambda state: state["status"] in ("IDLE", "FAILED"))
        if state["status"] == "FAILED":
            raise DataOpsError(f"The pipeline failed: {state['error_message']}")

    def _wait(self, id: str, there: Any) -> dict[str, Any]:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            state: dict[str, Any] = self._client.send("GET", f"{PIPELINES}/{id}/state")
            if there(state) or state["status"] in ("IDLE", "FAILED"):
                return state
            time.sleep(0.05)
        raise DataOpsError(f"The pipeline stands at {state['status']} after {SECONDS} s")

    def _told(self, id: str, run: str) -> None:
        name = self._client.send("GET", f"{PIPELINES}/{id}")["name"]
        [last] = self._client.send("GET", f"{PIPELINES}/{id}/runs?limit=1")
        same = self._client.send("GET", f"{PIPELINES}/{id}/reconciliation")["in_sync"]
        counts = (f"{last[count]:,}" for count in ("rows_read", "rows_written", "rows_rejected"))
        self._table.add_row(name, run, *counts, "yes" if same else "no")
