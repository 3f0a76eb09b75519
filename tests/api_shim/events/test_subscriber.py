"""Whatever happens between the records and a reader, it is told the last state of every execution."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_shim import subscriber as subscriber_module
from api_shim.subscriber import OVERLAP, State, Subscriber
from dataops_defs.catalogue.run_lists import Position, Wanted

RUNS = [str(UUID(int=number)) for number in range(1, 9)]
PAGE = 2
MOST = 4


@dataclass
class Story:
    """Records that change, notifications that may be lost, a reader that may be slow or go away and come back."""

    clock: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    records: dict[str, State] = field(default_factory=dict)
    notified: set[str] = field(default_factory=set)
    listening: bool = True
    told: dict[str, str] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)
    news: list[State] | None = None
    page: tuple[Position, list[State]] | None = None
    versions: int = 0

    def __post_init__(self) -> None:
        self.reader = Subscriber(Wanted(), None, self.clock)

    def change(self, run: int, pause: int = 1, lag: int = 0) -> None:
        """A while later, with notifications read meanwhile, a transaction commits that wrote ``lag`` seconds ago."""
        if pause:
            self.tell()
        self.clock += timedelta(seconds=pause)
        self.versions += 1
        state = State(RUNS[run], self.clock - timedelta(seconds=lag), str(self.versions))
        self.records[state.run_id] = state
        if self.listening:
            self.notified.add(state.run_id)

    def hear(self) -> None:
        """What has changed is read, and will be told; no other news is read, and nobody comes to hear it, meanwhile."""
        if self.news is None:
            self.news = sorted((self.records[each] for each in self.notified), key=position) if self.listening else []
            self.notified.clear()

    def tell(self) -> None:
        for _ in range(2):
            self.hear()
            for state in self.news or ():
                self.reader.offer(state)
            self.news = None

    def stop_listening(self) -> None:
        self.listening = False

    def listen_again(self) -> None:
        if not self.listening:
            self.listening = True
            self.reader.fall_behind()

    def read(self) -> None:
        """The reader takes one event, or a page of the records."""
        state = self.reader.take()
        if state is not None:
            assert int(state.text) >= int(self.told.get(state.run_id, "0")), "an older state after a newer one"
            self.told[state.run_id] = state.text
            self.times[state.text] += 1
        else:
            self.begin_page()
            self.end_page()

    def begin_page(self) -> None:
        """A page of the records is read, beside whatever happens."""
        if self.reader.behind is not None and self.listening and self.page is None and not self.reader._ready:
            place = self.reader.place()
            assert place is not None
            self.page = (place, self.after(place))

    def end_page(self) -> None:
        """It has arrived; where it was the last, the rest is read between two readings of news."""
        if self.page is None or self.reader.behind is not self.page[0]:
            self.page = None
            return
        _, found = self.page
        self.page = None
        self.reader.catch_up(found, complete=False)
        if len(found) < PAGE:
            for state in self.news or ():
                self.reader.offer(state)
            self.news = None
            place = self.reader.place()
            assert place is not None
            rest = self.after(place)
            self.reader.catch_up(rest, complete=len(rest) < PAGE)

    def after(self, place: Position) -> list[State]:
        return sorted((each for each in self.records.values() if position(each) > place), key=position)[:PAGE]

    def come_back(self) -> None:
        """The connection breaks; the reader knows the id of its last event."""
        self.reader = Subscriber(Wanted(), self.reader.cursor, self.clock)
        self.page = None

    def end(self) -> None:
        self.listen_again()
        self.tell()
        for _ in range(10 * len(RUNS)):
            self.read()


def position(state: State) -> tuple[datetime, str]:
    return (state.changed_at, state.run_id)


CHANGES = st.tuples(
    st.just("change"), st.integers(0, len(RUNS) - 1), st.sampled_from([0, 1, 5, 40]), st.sampled_from([0, 3, 25])
)
READING = ["read", "read", "read", "begin_page", "begin_page", "end_page"]
OTHERS = st.tuples(
    st.sampled_from(["hear", "tell", "tell", *READING, "stop_listening", "listen_again", "come_back"]),
)


class TestAReader:
    @settings(max_examples=300, deadline=None)
    @given(st.lists(CHANGES | OTHERS, min_size=30, max_size=80))
    def test_is_told_the_last_state_of_all_that_changed(self, happenings: list[tuple[str | int, ...]]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(subscriber_module, "MOST_WAITING", MOST)
            story = Story()
            for name, *arguments in happenings:
                before = story.reader.cursor
                getattr(story, str(name))(*arguments)
                assert story.reader.cursor >= before
                assert len(story.reader._ready) <= MOST + PAGE
            story.end()

        assert story.told == {run: state.text for run, state in story.records.items()}

    def test_is_told_again_only_what_changed_shortly_before_its_cursor(self) -> None:
        story = Story()
        story.reader = Subscriber(Wanted(), story.clock, story.clock)
        assert story.reader.behind == (story.clock - OVERLAP, str(UUID(int=0)))

    def test_is_told_what_commits_late_while_it_is_read_to_from_the_records(self) -> None:
        story = Story()
        story.come_back()
        for run in range(4):
            story.change(run)
        story.read()
        assert story.reader.behind is not None
        story.change(7, pause=0, lag=3)
        story.tell()
        story.end()

        assert len(story.told) == 5

    def test_is_told_once_what_changes_while_it_catches_up(self) -> None:
        story = Story()
        story.change(0)
        story.come_back()
        story.begin_page()
        story.change(1)
        story.hear()
        story.end_page()
        story.change(2)
        story.end()

        assert story.times == {"1": 1, "2": 1, "3": 1}

    def test_that_goes_away_after_a_newer_change_is_told_the_older_one_later(self) -> None:
        story = Story()
        for run, pause in ((0, 1), (1, 1), (0, 100)):
            story.change(run, pause)
            story.tell()
        story.read()
        story.come_back()
        story.end()

        assert story.told == {RUNS[0]: "3", RUNS[1]: "2"}

    def test_is_not_told_from_memory_what_the_records_have_outdated(self) -> None:
        story = Story()
        story.come_back()
        story.change(0)
        story.tell()
        story.change(0)
        story.notified.clear()
        for run in range(1, 4):
            story.change(run)
        story.end()

        assert story.told[RUNS[0]] == "2"

    def test_that_reads_too_slowly_costs_no_memory_until_it_reads_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(subscriber_module, "MOST_WAITING", MOST)
        story = Story()
        for run in range(MOST + 3):
            story.change(run)
            story.tell()

        assert story.reader.behind is not None
        assert story.reader.take() is None

    def test_has_a_cursor_that_moves_only_when_nothing_older_is_to_come(self) -> None:
        story = Story()
        story.come_back()
        began = story.reader.cursor
        for run in range(PAGE + 1):
            story.change(run)
        story.read()
        story.read()

        assert (len(story.told), story.reader.cursor) == (1, began)
        story.end()
        assert story.reader.cursor == story.clock
