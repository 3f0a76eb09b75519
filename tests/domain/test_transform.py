"""What can be said about a transform without running it."""

import pytest

from dataops_defs.domain.transform import function_name, needs_row, source_text
from dataops_defs.errors import InvalidTransform


class TestReadingATransform:
    @pytest.mark.parametrize("name", ["parseInt", " trim\n"])
    def test_a_known_word_is_a_function(self, name):
        assert function_name(name) == name.strip()

    @pytest.mark.parametrize("expression", ["value", "null", "value.x", "row", "trim(value)", "1"])
    def test_anything_but_a_single_word_is_an_expression(self, expression):
        assert function_name(expression) is None

    def test_an_unknown_word_is_refused_with_the_known_ones(self):
        with pytest.raises(InvalidTransform, match="'parsInt' is no known function; use one of: parseInt, parseFloat"):
            function_name("parsInt")

    @pytest.mark.parametrize(
        ("expression", "needed"),
        [
            ("value", False),
            ("value.arrow", False),
            ("[row.year, row.month].join('-')", True),
            ("({...row})", True),
            ("arguments[1].year", True),
            ("r\\u006fw.year", True),
        ],
    )
    def test_other_columns_are_fetched_when_they_may_be_looked_at(self, expression, needed):
        assert needs_row(expression) is needed

    def test_semicolons_at_the_end_do_no_harm(self):
        assert source_text(" new Date(value).toISOString(); ;\n") == "new Date(value).toISOString()"
