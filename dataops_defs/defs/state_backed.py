"""The only import of Dagster's private loader: the catalogue is read once per load, never in a run worker.

The state travels with each run, so it is nothing but the name of a revision.
"""

from collections.abc import Callable
from typing import Any

import dagster as dg
from dagster._core.definitions.definitions_load_context import StateBackedDefinitionsLoader

State = dict[str, Any]


class CatalogueLoader(StateBackedDefinitionsLoader[State]):
    """Definitions from one state: ``read`` fetches it at load and reload, ``build`` makes definitions of it."""

    def __init__(self, read: Callable[[], State], build: Callable[[State], dg.Definitions]) -> None:
        self._read, self._build = read, build

    @property
    def defs_key(self) -> str:
        """Key of the state in Dagster's own records."""
        return "dataops_catalogue"

    def fetch_state(self) -> State:
        """Called in the code server, when it loads or reloads."""
        return self._read()

    def defs_from_state(self, state: State) -> dg.Definitions:
        """Called in the code server and in each run worker."""
        return self._build(state)
