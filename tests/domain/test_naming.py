from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataops_defs.domain import naming
from dataops_defs.errors import Invalid


class TestSlugs:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("Aircraft Inventory", "aircraft_inventory"),
            ("aircraft-inventory", "aircraft_inventory"),
            ("Самолёты", "samolyoty"),
            ("Größe 航空", "grosse_hangkong"),
            ("Aircraft Inventory → Aircraft", "aircraft_inventory_aircraft"),
        ],
    )
    def test_a_name_becomes_letters_digits_and_underscores(self, name: str, expected: str) -> None:
        assert naming.slug(name) == expected

    @pytest.mark.parametrize("name", ["", "   ", "→→", "!!!"])
    def test_a_name_that_leaves_nothing_is_refused(self, name: str) -> None:
        with pytest.raises(Invalid) as refusal:
            naming.slug(name)
        assert refusal.value.fields[0].field == "name"

    def test_a_name_beyond_200_characters_is_refused(self) -> None:
        with pytest.raises(Invalid):
            naming.slug("a" * 201)

    @given(st.text(min_size=1, max_size=200))
    def test_a_slug_of_a_slug_is_itself_and_dagster_takes_it(self, name: str) -> None:
        try:
            made = naming.slug(name)
        except Invalid:
            return
        assert naming.slug(made) == made
        assert made.isascii()
        assert made.replace("_", "a").isalnum()


class TestNamesThatOthersHangOn:
    def test_asset_keys_do_not_drift(self) -> None:
        assert naming.source_key("pmbook", "master") == ("pmbook", "source", "master")
        assert naming.dataset_key("pmbook", "inventory") == ("pmbook", "raw", "inventory")
        assert naming.mapping_key("pmbook", "to_aircraft") == ("pmbook", "sync", "to_aircraft")
        assert naming.object_type_key("pmbook", "aircraft") == ("pmbook", "objects", "aircraft")
        assert naming.table_key("analytics", "film_dim") == ("warehouse", "analytics", "film_dim")

    def test_a_raw_key_follows_the_documented_structure_in_utc(self) -> None:
        taken_at = datetime(2025, 11, 2, 12, tzinfo=timezone(timedelta(hours=2)))
        assert naming.raw_key("pmbook/", "d-1", taken_at, "parquet") == "pmbook/d-1/2025-11-02T10:00:00.000000Z.parquet"

    def test_two_extractions_within_a_second_do_not_share_a_key(self) -> None:
        first = datetime(2025, 11, 2, 10, 0, 0, 1, tzinfo=UTC)
        assert naming.raw_key("p", "d", first, "x") != naming.raw_key("p", "d", first.replace(microsecond=2), "x")
