"""The list of faults names tests that exist."""

import re
from pathlib import Path

HERE = Path(__file__).parent
NAMED = re.compile(r"`((?:\w+/)*test_\w+\.py)::(\w+)`")
NUMBERS = [*range(1, 18), *range(27, 37)]


def test_every_fault_has_a_line_and_every_test_named_there_exists() -> None:
    text = (HERE / "README.md").read_text()
    assert [int(number) for number in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)] == NUMBERS
    for path, name in NAMED.findall(text):
        file = HERE.parent / path if "/" in path else HERE / path
        assert re.search(rf"(def|class) {name}\b", file.read_text()), f"{path}::{name}"
