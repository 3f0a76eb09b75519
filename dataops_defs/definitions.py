"""Composition root: one catalogue snapshot becomes the Dagster definitions of the location ``dataops``."""

import warnings

import dagster as dg

from dataops_defs.defs.build import Revision, build_revision, keep_state, read_state
from dataops_defs.defs.selection import selected
from dataops_defs.defs.state_backed import CatalogueLoader
from dataops_defs.services.guardian import ensure_database
from dataops_defs.settings import settings

# The loader with state is a preview and sensors with owners are beta in Dagster; every run would print that.
for kind in (dg.BetaWarning, dg.PreviewWarning):
    warnings.filterwarnings("ignore", category=kind)


def read() -> Revision:
    """The catalogue as it is now, whose database is started first where nothing else runs it."""
    ensure_database(settings())
    return keep_state(read_state())


def build(revision: Revision) -> dg.Definitions:
    """The definitions of a revision, or those that this worker's run selects."""
    return build_revision(revision["revision"], selected())


@dg.definitions
def defs() -> dg.Definitions:
    """Everything Dagster sees."""
    return CatalogueLoader(read, build).build_defs()
