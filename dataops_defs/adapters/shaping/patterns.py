"""Patterns that RE2 and the validator's engine read alike: literals, classes, groups, choices, repetitions, anchors."""

import re

import pyarrow as pa
import pyarrow.compute as pc

_LITERAL = r"[A-Za-z0-9 _\-:/@#%&,;=<>~\"'!]|\\[.\-/+*?()\[\]{}|^$\\]|\\d"
_MEMBER = r"(?:[A-Za-z0-9 _:/@#%,;=<>~\"'!.+*?()|$]|\\[.\-/\]\[\\^])"
_CLASS = rf"\[\^?(?:{_MEMBER}-{_MEMBER}|{_MEMBER}|\\d)+-?\]"
_REPEATED = r"(?:[*+?]|\{[0-9]{1,3}(?:,[0-9]{0,3})?\})"
_PART = re.compile(rf"(?:{_LITERAL}|{_CLASS}){_REPEATED}?|\((?:\?:)?|\){_REPEATED}?|\||\^|\$")


def is_plain(pattern: str) -> bool:
    """Whether a pattern is so simple that both engines match the same texts."""
    at = 0
    while at < len(pattern):
        found = _PART.match(pattern, at)
        if found is None or (found[0].startswith("[^") and "\\d" in found[0]):
            return False
        at = found.end()
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid:
        return False
    return True
