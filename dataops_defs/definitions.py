"""Composition root: one catalogue snapshot becomes the Dagster definitions of the location ``dataops``."""

import warnings

import dagster as dg

from dataops_defs.defs.build import build_definitions, read_state
from dataops_defs.defs.state_backed import CatalogueLoader

# The loader with state is a preview and sensors with owners are beta in Dagster; every run would print that.
for kind in (dg.BetaWarning, dg.PreviewWarning):
    warnings.filterwarnings("ignore", category=kind)


@dg.definitions
def defs() -> dg.Definitions:
    """Everything Dagster sees."""
    return CatalogueLoader(read_state, build_definitions).build_defs()
