"""Composition root: one catalogue snapshot becomes the Dagster definitions of the location ``dataops``."""

import dagster as dg

from dataops_defs.defs.build import build_definitions, read_state
from dataops_defs.defs.state_backed import CatalogueLoader


@dg.definitions
def defs() -> dg.Definitions:
    """Everything Dagster sees."""
    return CatalogueLoader(read_state, build_definitions).build_defs()
