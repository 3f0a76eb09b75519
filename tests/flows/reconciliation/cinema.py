"""Films in the warehouse, and a pipeline whose target is compared with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dataops_defs.domain.etl import EtlConfig, EtlMode
from dataops_defs.domain.reconciliation import Difference, Reconciliation
from dataops_defs.flows.reconcile_pipeline import reconcile_pipeline
from tests.scenes import World

FILM = "id bigint, title text, rating numeric(4,2)"


@dataclass
class Cinema:
    """A table of films in the warehouse, and a pipeline that keeps ``analytics.film_dim`` like it."""

    world: World
    query: str = "SELECT * FROM content.film"

    def source(self, columns: str, *rows: str) -> None:
        self._make("content.film", columns, rows)

    def target(self, columns: str, *rows: str) -> None:
        self._make("analytics.film_dim", columns, rows)

    def both(self, columns: str, *rows: str) -> None:
        self.source(columns, *rows)
        self.target(columns, *rows)

    def reconciled(self, mode: EtlMode = EtlMode.FULL, **more: Any) -> Reconciliation:
        seconds = {"seconds": more.pop("seconds")} if "seconds" in more else {}
        config = EtlConfig("films", mode, "analytics.film_dim", 1000, self.query, **more)
        return reconcile_pipeline(self.world.platform, config, **seconds)

    def differences(self, **more: Any) -> Sequence[Difference]:
        found = self.reconciled(**more)
        assert found.in_sync is not bool(found.findings.differences)
        return found.findings.differences

    def _make(self, table: str, columns: str, rows: Sequence[str]) -> None:
        self.world.sql(f"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} ({columns})")
        if rows:
            self.world.sql(f"INSERT INTO {table} VALUES {', '.join(f'({each})' for each in rows)}".replace("%", "%%"))
