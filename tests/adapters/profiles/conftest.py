"""What is found in a real warehouse, by the role that may only read."""

from collections.abc import Callable
from contextlib import closing

import psycopg2
import pytest

from dataops_defs.adapters.profiles.profiler import Profiler
from dataops_defs.adapters.profiles.tables import find_tables
from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.domain.relationship import Relationship
from dataops_defs.matching.relationships.detect import detect
from dataops_defs.settings import Settings
from tests.scenes import World

Detect = Callable[..., dict[str, Relationship]]


@pytest.fixture
def found(world: World, settings: Settings) -> Detect:
    """All that is found among some tables, however unsure, as ``orders.customer_id -> customers.id``."""

    def look(*names: str) -> dict[str, Relationship]:
        with closing(psycopg2.connect(libpq_url(settings.url("reader")))) as connection:
            tables, declared = find_tables(connection, "public", names)
            profiler = Profiler(connection, tables)
            return {
                f"{each.table}.{','.join(each.columns)} -> {each.parent}.{','.join(each.parent_columns)}": each
                for each in detect(profiler.profiles(), profiler, declared)
            }

    return look
