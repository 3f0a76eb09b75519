"""Composition root: one catalogue snapshot becomes the Dagster definitions of the location ``dataops``."""

import warnings

import dagster as dg

from dataops_defs.defs.build import build_definitions, read_state
from dataops_defs.defs.state_backed import CatalogueLoader

# Sensors with owners are beta in Dagster; the warning would be printed by every run.
warnings.filterwarnings("ignore", category=dg.BetaWarning)


@dg.definitions
def defs() -> dg.Definitions:
    """Everything Dagster sees."""
    return CatalogueLoader(read_state, build_definitions).build_defs()
