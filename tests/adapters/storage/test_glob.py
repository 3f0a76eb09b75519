import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataops_defs.adapters.storage.glob import Glob, check_below
from dataops_defs.errors import Invalid

NAMES = st.text("ab.", min_size=1, max_size=3)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PATTERNS = st.lists(st.one_of(st.text("ab.*", min_size=1, max_size=4), st.just("**")), min_size=1, max_size=4)


def as_regex(pattern: str) -> str:
    """What a pattern means, said in another way."""
    found = ""
    names = pattern.split("/")
    for place, name in enumerate(names):
        last = place == len(names) - 1
        if name == "**":
            found += "(?:[^/]+/)*[^/]+" if last else "(?:[^/]+/)*"
        else:
            inner = "".join("[^/]*" if part == "*" else re.escape(part) for part in name)
            found += inner if last else f"{inner}/"
    return found


class TestMatching:
    @pytest.mark.parametrize(
        ("pattern", "path"),
        [
            ("*.csv", "a.csv"),
            ("*", ".csv"),
            ("a*c", "ac"),
            ("in/*/x", "in/deep/x"),
            ("in/**/x", "in/x"),
            ("in/**/x", "in/a/b/x"),
            ("**", "a/b/c"),
            ("[a]?(b)", "[a]?(b)"),
            ("*\n", "a\n"),
        ],
    )
    def test_a_pattern_stands_for(self, pattern: str, path: str):
        assert Glob(pattern).matches(path)

    @pytest.mark.parametrize(
        ("pattern", "path"),
        [
            ("*.csv", "in/a.csv"),
            ("*.csv", "a.csv.gz"),
            ("in/*", "in"),
            ("in/**", "in"),
            ("in/*/x", "in/a/b/x"),
            ("[a]", "a"),
            ("a?", "ab"),
        ],
    )
    def test_and_not_for(self, pattern: str, path: str):
        assert not Glob(pattern).matches(path)

    @given(PATTERNS, PATHS)
    def test_what_a_regular_expression_says_too(self, names: list[str], path: str):
        pattern = "/".join(names)
        assert Glob(pattern).matches(path) == bool(re.fullmatch(as_regex(pattern), path))

    @given(PATTERNS, PATHS)
    def test_no_folder_is_passed_by_that_leads_to_a_match(self, names: list[str], path: str):
        glob = Glob("/".join(names))
        if glob.matches(path):
            folders = path.split("/")[:-1]
            assert all(glob.leads_to("/".join(folders[:depth])) for depth in range(1, len(folders) + 1))
            assert path.startswith(glob.literal)
            assert glob.recursive or path.rpartition("/")[0] == glob.folder

    def test_no_name_is_slow_to_match(self):
        assert not Glob("*a" * 8 + "b").matches("a" * 1_000_000)


class TestPathsBelowAFolder:
    @pytest.mark.parametrize("path", ["", "/x", "a/../b", "..", "a\\..\\b", "a\x00b", "*" * 9, "x" * 2000])
    def test_what_leads_out_or_is_slow_is_refused(self, path: str):
        with pytest.raises(Invalid):
            check_below(path)

    @pytest.mark.parametrize("path", ["x", "a/b", "...", "a..b", "**/*.csv"])
    def test_others_are_taken(self, path: str):
        check_below(path)
