"""Datamarts are built under names of their own, which nothing else may write to."""

import pytest

from dataops_defs.domain.datamart import draft_name
from dataops_defs.domain.etl import allowed_target
from dataops_defs.domain.importing import TargetFormat, target_of
from dataops_defs.errors import Invalid, TargetNotAllowed

DRAFT = draft_name("01a200ad-50bd-7901-85f1-3de592d3ee5c")


def test_an_import_may_not_write_there() -> None:
    with pytest.raises(Invalid) as refused:
        target_of(TargetFormat.POSTGRES, f"raw.{DRAFT}", "", frozenset({"raw"}), "import_config.target_table")

    assert refused.value.fields[0].field == "import_config.target_table"
    assert target_of(TargetFormat.POSTGRES, f"raw.{DRAFT}s", "", frozenset({"raw"})).table == f"{DRAFT}s"


def test_nor_may_a_pipeline_even_where_somebody_allowed_it() -> None:
    with pytest.raises(TargetNotAllowed, match="datamarts are built under such names"):
        allowed_target(f"analytics.{DRAFT}", [f"analytics.{DRAFT}"])
