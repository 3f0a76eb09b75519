import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataops_defs.domain.progress import Counted, Progress, percent, progress_of, share_of_rows
from dataops_defs.domain.run import RunKind, RunState

COUNTS = st.integers(0, 10**12)


@st.composite
def counted(draw: st.DrawFn) -> Counted:
    """Sums as they can be: of each step either done, or open with or without a known number of rows."""
    steps = draw(st.lists(st.tuples(st.booleans(), COUNTS, st.none() | COUNTS, st.integers(0, 10**6)), max_size=6))
    shares = [share_of_rows(rows, total) for done, rows, total, _ in steps if not done]
    return Counted(
        steps=len(steps),
        steps_done=sum(done for done, *_ in steps),
        rows_done=sum(rows for _, rows, *_ in steps),
        rows_expected=sum(rows if done else total or 0 for done, rows, total, _ in steps),
        uncounted=shares.count(None),
        open_share=sum(each or 0.0 for each in shares),
        batches_done=sum(batches for *_, batches in steps),
    )


def running(kind: RunKind, counted: Counted, steps_total: int | None = None, seconds: float = 10.0) -> Progress:
    return progress_of(kind, RunState.RUNNING, counted, steps_total, seconds)


class TestOneStep:
    def test_with_a_known_number_of_rows_tells_percent_and_time_left(self) -> None:
        found = running(RunKind.EXTRACT, Counted(1, 0, 250, 1000, 0, 0.25, 5))

        assert (found.percent, found.rows_total, found.steps_total) == (25.0, 1000, 1)
        assert (found.rows_per_second, found.seconds_left) == (25.0, 30.0)

    def test_without_one_tells_the_pace_only(self) -> None:
        found = running(RunKind.EXTRACT, Counted(1, 0, 250, 0, 1, 0.0, 5))

        assert (found.percent, found.rows_total, found.seconds_left) == (None, None, None)
        assert (found.rows_done, found.batches_done, found.rows_per_second) == (250, 5, 25.0)

    def test_with_more_rows_than_were_expected_stays_below_the_whole(self) -> None:
        found = running(RunKind.SYNC, Counted(1, 0, 1200, 1000, 0, 1.0, 5))

        assert (found.percent, found.rows_total, found.seconds_left) == (99.9, 1200, 0.0)


class TestAPipeline:
    def test_counts_its_finished_steps_and_the_share_of_the_running_one(self) -> None:
        found = running(RunKind.PIPELINE, Counted(2, 1, 1500, 2000, 0, 0.5, 3), steps_total=4)

        assert (found.percent, found.steps_done, found.steps_total) == (37.5, 1, 4)
        assert found.seconds_left == pytest.approx(10 * 62.5 / 37.5, abs=0.1)
        assert found.rows_total is None, "two steps have not begun"

    def test_counts_a_step_of_unknown_rows_when_it_is_finished(self) -> None:
        found = running(RunKind.PIPELINE, Counted(2, 1, 1500, 1000, 1, 0.0, 3), steps_total=2)

        assert (found.percent, found.rows_total) == (50.0, None)

    def test_of_an_unknown_number_of_steps_has_no_percent(self) -> None:
        assert running(RunKind.ASSETS, Counted(2, 1, 1500, 2000, 0, 0.5, 3)).percent is None


class TestStates:
    def test_what_succeeded_is_whole_and_has_no_time_left(self) -> None:
        found = progress_of(RunKind.ASSETS, RunState.SUCCEEDED, Counted(2, 2, 90, 90, 0, 0.0, 3), None, 9.0)

        assert (found.percent, found.seconds_left, found.rows_total, found.rows_per_second) == (100.0, None, 90, 10.0)

    @pytest.mark.parametrize("state", [each for each in RunState if each is not RunState.RUNNING])
    def test_only_what_runs_has_time_left(self, state: RunState) -> None:
        half = Counted(1, 0, 500, 1000, 0, 0.5, 5)

        assert progress_of(RunKind.SYNC, state, half, None, 10.0).seconds_left is None

    @pytest.mark.parametrize("state", [RunState.FAILED, RunState.PAUSED, RunState.QUEUED, RunState.CANCELLED])
    def test_what_stopped_keeps_how_far_it_came(self, state: RunState) -> None:
        assert progress_of(RunKind.SYNC, state, Counted(1, 0, 500, 1000, 0, 0.5, 5), None, 10.0).percent == 50.0

    def test_what_waits_has_neither_percent_nor_pace(self) -> None:
        found = progress_of(RunKind.SYNC, RunState.QUEUED, Counted(), None, None)

        assert found == Progress(rows_done=0, batches_done=0, steps_done=0, steps_total=1)


class TestWhateverIsCounted:
    @given(
        st.sampled_from(RunKind),
        st.sampled_from(RunState),
        counted(),
        st.none() | st.integers(0, 10),
        st.none() | st.floats(0, 1e9),
    )
    def test_numbers_make_sense(
        self, kind: RunKind, state: RunState, sums: Counted, steps: int | None, seconds: float | None
    ) -> None:
        found = progress_of(kind, state, sums, steps, seconds)

        assert found.percent is None or 0 <= found.percent <= 100
        assert (found.percent == 100) == (state is RunState.SUCCEEDED)
        assert found.seconds_left is None or found.seconds_left >= 0
        assert found.rows_per_second is None or 0 <= found.rows_per_second < math.inf
        assert found.rows_total is None or found.rows_total >= found.rows_done
        assert found.steps_total is None or found.steps_total >= found.steps_done
        assert found.percent is not None or found.seconds_left is None

    @given(st.integers(0, 10**6), st.integers(1, 10**6), st.integers(0, 10**6))
    def test_more_rows_done_are_never_fewer_percent(self, rows: int, total: int, more: int) -> None:
        shares = [share_of_rows(each, total) for each in (rows, rows + more)]
        before, after = (percent(each or 0.0, RunState.RUNNING) for each in shares)

        assert before <= after
