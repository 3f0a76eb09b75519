"""A REST API that is busy, broken or silent: waited for within bounds, and no longer."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from dataops_defs.adapters.line import Line
from dataops_defs.adapters.sources.http.answer import seconds_to_wait
from dataops_defs.adapters.sources.http.api import READING
from dataops_defs.errors import SourceError, SourceUnavailable
from tests.adapters.sources.api_scenes import BRISK, PAGINGS, RECORDS, ids, paged, read, source, wanted
from tests.adapters.sources.rest_server import Asked, Reply, RestServer


def asked_pause(status: int, headers: dict[str, str]) -> float | None:
    return seconds_to_wait(status, httpx.Headers(headers))


def seconds_from(moment: datetime) -> list[datetime]:
    return [moment + timedelta(seconds=more) for more in range(10)]


class TestPatience:
    def test_an_api_that_asks_for_a_pause_is_given_it(self, rest: RestServer) -> None:
        rest.answers("/aircraft", Reply({}, 429, {"Retry-After": "1"}), Reply([{"id": 1}]))
        began = time.monotonic()

        assert ids(source(rest), wanted()) == [1]

        assert time.monotonic() - began >= 1

    def test_a_pause_may_be_given_as_a_date(self, rest: RestServer) -> None:
        until = datetime.now(UTC) + timedelta(seconds=2)
        rest.answers(
            "/aircraft", Reply({}, 503, {"Retry-After": format_datetime(until, usegmt=True)}), Reply([{"id": 1}])
        )

        assert ids(source(rest), wanted()) == [1]

        assert datetime.now(UTC) >= until.replace(microsecond=0)

    def test_a_pause_may_be_a_fraction_of_a_second(self) -> None:
        assert asked_pause(429, {"Retry-After": "1.5"}) == 1.5

    @pytest.mark.parametrize("reset", ["7", "7.0"])
    def test_the_reset_of_a_limit_is_a_pause_where_no_other_is_asked_for(self, reset: str) -> None:
        assert asked_pause(429, {"X-RateLimit-Reset": reset}) == 7
        assert asked_pause(429, {"X-RateLimit-Reset": reset, "Retry-After": "2"}) == 2

    def test_the_reset_of_a_limit_may_be_the_time_of_day(self) -> None:
        later = asked_pause(429, {"X-RateLimit-Reset": str(int(time.time()) + 3600)})
        assert later is not None
        assert 3500 < later <= 3600

    @pytest.mark.parametrize("reset", ["soon", "-5", "1e3", "1763773200000", "0", "1763773200"])
    def test_a_reset_that_says_nothing_or_is_over_is_no_pause(self, reset: str) -> None:
        assert asked_pause(429, {"X-RateLimit-Reset": reset}) is None

    def test_a_limit_that_is_not_reached_asks_for_no_pause(self) -> None:
        assert asked_pause(502, {"X-RateLimit-Reset": "1800", "X-RateLimit-Remaining": "4999"}) is None

    def test_a_pause_beyond_all_patience_is_told_with_its_end(self, rest: RestServer) -> None:
        rest.answers("/aircraft", Reply({"error": "slow down"}, 429, {"Retry-After": "3600"}))
        until = datetime.now(UTC) + timedelta(hours=1)

        with pytest.raises(SourceError, match=r"left alone for 3600 seconds.*429.*slow down") as refused:
            read(source(rest), wanted())

        assert any(f"try again after {at:%Y-%m-%d %H:%M:%S} UTC" in str(refused.value) for at in seconds_from(until))
        assert not refused.value.retryable
        assert len(rest.asked) == 1

    @pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 507, 520])
    def test_an_api_that_is_busy_is_asked_again(self, rest: RestServer, status: int) -> None:
        busy = Reply({}, status, {"Retry-After": "soon"})
        rest.answers("/aircraft", busy, busy, Reply([{"id": 1}]))

        assert ids(source(rest), wanted()) == [1]

    def test_one_that_stays_busy_is_given_up(self, rest: RestServer) -> None:
        rest.answers("/aircraft", Reply({"error": "down"}, 503))

        with pytest.raises(SourceUnavailable, match=r"GET /aircraft was answered with 503: \{\"error\": \"down\"\}"):
            read(source(rest), wanted())

        assert len(rest.asked) == BRISK.tries

    @pytest.mark.parametrize("status", [300, 400, 404, 410, 422, 501, 505])
    def test_an_error_is_quoted_and_not_asked_for_again(self, rest: RestServer, status: int) -> None:
        rest.answers("/aircraft", Reply({"error": "x" * 5000}, status))

        with pytest.raises(SourceError, match=f"answered with {status}: ") as refused:
            read(source(rest), wanted())

        assert len(str(refused.value)) < 260
        assert len(rest.asked) == 1

    def test_a_connection_that_breaks_off_is_made_again_and_no_record_comes_twice(self, rest: RestServer) -> None:
        whole = paged(1000, RECORDS[:5000])
        left = {2000: 2, 4000: 1}

        def route(asked: Asked) -> Reply:
            reply, start = whole(asked), int(asked.query.get("cursor", 0))
            if left.get(start, 0) > 0:
                left[start] -= 1
                reply.cut_after = 5000
            return reply

        rest.routes["/aircraft"] = route

        assert ids(source(rest), wanted(recordsPath="data.items", paging=PAGINGS["cursor"])) == list(range(5000))
        assert len(rest.asked) == 8

    def test_one_that_always_breaks_off_or_is_not_there_is_given_up(self, rest: RestServer) -> None:
        rest.answers("/aircraft", Reply(RECORDS[:100], cut_after=100))
        with pytest.raises(SourceUnavailable, match="broke off while GET /aircraft was answered"):
            read(source(rest), wanted())

        with RestServer().running() as gone:
            api = source(gone)
        with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1 cannot be reached"):
            read(api, wanted())

    def test_an_answer_that_does_not_come_is_not_waited_for(self, rest: RestServer) -> None:
        rest.answers("/aircraft", Reply([], silent=1), Reply([{"id": 1}]))
        api = replace(source(rest), limits=replace(BRISK, read_seconds=0.2))
        assert ids(api, wanted()) == [1]

        rest.answers("/aircraft", Reply([], silent=1))
        with pytest.raises(SourceUnavailable, match="not answered within"):
            read(replace(api, limits=replace(BRISK, read_seconds=0.2, tries=2)), wanted())

    def test_an_answer_that_never_ends_is_left_when_the_time_is_over(self, rest: RestServer) -> None:
        rest.answers("/aircraft", Reply(RECORDS[:100], drip=0.05))
        api = replace(source(rest), limits=replace(BRISK, seconds=0.5))

        with pytest.raises(SourceError, match=r"longer than the 0\.5 seconds"):
            read(api, wanted())

    def test_a_run_gives_an_api_a_long_pause_and_can_be_ended_meanwhile(self, rest: RestServer) -> None:
        rest.answers("/aircraft", Reply({}, 429, {"Retry-After": "900"}))

        @contextmanager
        def during(line: Line) -> Iterator[None]:
            threading.Timer(0.5, line.cut).start()
            yield

        with pytest.raises(SourceUnavailable, match="was ended"):
            read(replace(source(rest), limits=READING, during=during), wanted())

        assert len(rest.asked) == 1

    def test_a_run_that_has_to_end_leaves_at_once(self, rest: RestServer) -> None:
        rest.answers("/pause", Reply({}, 503, {"Retry-After": "15"}))
        rest.answers("/silent", Reply([], silent=1.5))
        for endpoint in ("/pause", "/silent"):
            lines: list[Line] = []

            @contextmanager
            def during(line: Line, lines: list[Line] = lines) -> Iterator[None]:
                lines.append(line)
                threading.Timer(0.2, line.cut).start()
                yield

            began = time.monotonic()
            with pytest.raises(SourceUnavailable, match="was ended"):
                read(replace(source(rest), during=during), wanted(endpoint))
            assert len(lines) == 1
            assert time.monotonic() - began < 1.4
