"""Names taken apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataops_defs.matching.words import Reader, leaf, segments, shared_prefix


def read(name: str, *others: str) -> list[str]:
    return [word.text for word in Reader([name, *others]).read(name)]


@pytest.mark.parametrize(
    "name", ["customer_name", "customerName", "CustomerName", "CUSTOMER-NAME", "customer name", "dc:customerName"]
)
def test_every_way_of_writing_a_name_gives_the_same_words(name: str) -> None:
    assert leaf(name) == ["customer", "name"]


def test_a_path_has_levels_and_a_name_with_blanks_has_one() -> None:
    assert segments("address/geo.latitude") == [["address"], ["geo"], ["latitude"]]
    assert segments("Date/Time of Birth") == [["date", "time", "of", "birth"]]
    assert segments("lines[0].price") == [["lines"], ["price"]]


def test_the_levels_above_the_leaf_count_less() -> None:
    above, below = Reader([]).read("shipping.cost")

    assert above.weight < below.weight


def test_words_run_together_are_parted_where_another_name_uses_them() -> None:
    assert read("tailnum", "tailNumber") == ["tail", "num"]
    assert read("tailnum", "identifier") == ["tailnum"]
    assert read("membership", "member") == ["membership"]


def test_a_phrase_is_one_word_and_knows_its_synonyms() -> None:
    (dob,), (birth_date,), (zip_code,), (postcode,) = (
        Reader([]).read(name) for name in ("DOB", "birth_date", "ZIP", "postal-code")
    )

    assert dob.groups & birth_date.groups
    assert zip_code.groups & postcode.groups
    assert not dob.groups & postcode.groups


def test_an_abbreviation_may_be_read_in_several_ways() -> None:
    (word,) = Reader([]).read("dep")

    assert {"departur", "depart", "deposit"} <= word.readings


def test_a_prefix_of_all_columns_is_their_tables_name() -> None:
    assert shared_prefix(["cust_id", "cust_name", "cust_city"]) == 1
    assert shared_prefix(["cust_id", "cust_name", "city"]) == 0
    assert shared_prefix(["cust_id", "cust_name"]) == 0
    assert shared_prefix(["cust", "cust_name", "cust_city"]) == 0


@given(st.text(min_size=1, max_size=600))
def test_whatever_a_column_is_called_it_has_words(name: str) -> None:
    words = Reader([name]).read(name)

    assert words
    assert all(word.text for word in words)
