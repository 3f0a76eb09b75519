"""What the error tree promises of its messages."""

import pytest

from dataops_defs.errors import Invalid, SourceError, SourceUnavailable


class TestAMessage:
    @pytest.mark.parametrize("kind", [SourceError, SourceUnavailable, Invalid])
    def test_can_be_kept_wherever_text_is_kept(self, kind: type[Exception]) -> None:
        told = str(kind("the server said 'oops \x00 \ud800 é'"))

        assert told == "the server said 'oops \ufffd ? é'"
