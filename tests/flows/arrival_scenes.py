"""Words for runs of a watched folder's files: four that wait, what happens in between, what became of them."""

from collections.abc import Mapping
from typing import Any

import pytest

from dataops_defs.catalogue.imports import Imports
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.run import RunState
from dataops_defs.flows import import_arrivals as arriving
from dataops_defs.flows.outbox import Launch
from tests.flows.import_scenes import Folder
from tests.scenes import World

MONTHS = ("jan", "feb", "mar", "apr")
BROKEN = '[{"a"'


def a_folder(world: World, others: Mapping[str, str] | None = None, **more: Any) -> Folder:
    """Four files that wait in a watched folder, one row each, and others."""
    folder = Folder.of(world, "*.csv", "*.json", **more)
    for name, content in (others or {}).items():
        folder.put(name, content)
    for number, month in enumerate(MONTHS):
        folder.put(f"{month}.csv", f"id,month\n{number},{month}\n")
    folder.look()
    return folder


def end(world: World, launch: Launch, state: RunState, error: str) -> None:
    with world.platform.catalogue() as session:
        Runs(session).finish(launch.run_id, state, error=error)


def before(path: str, monkeypatch: pytest.MonkeyPatch, happens: Any) -> None:
    """Let something happen when a run comes to a file."""
    load = arriving.load_file

    def loading(work: Any, import_id: str) -> Any:
        with work.platform.catalogue() as session:
            if Imports(session).get(import_id).path == path:
                happens()
        return load(work, import_id)

    monkeypatch.setattr(arriving, "load_file", loading)


def rows_of(world: World, table: str = "months") -> list[tuple[int, str]]:
    return world.sql(f"SELECT id, month FROM raw.{table} ORDER BY 1")


ALL = list(enumerate(MONTHS))
