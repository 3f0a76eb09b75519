"""How many runs are at work, which one is next, and what the daemon sees when nobody else can."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

from dagster import DagsterEventType

from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.models import RunRow
from dataops_defs.domain.run import BY_SENSOR, RunKind
from dataops_defs.flows.outbox import RUN_ID_TAG, launch_of
from dataops_defs.services.processes import end_groups
from tests.instance.conftest import LIMIT, Platform

MANY = {"warm": 20, "default": 3}
BEGIN = {DagsterEventType.RUN_START}
END = {DagsterEventType.RUN_SUCCESS, DagsterEventType.RUN_FAILURE, DagsterEventType.RUN_CANCELED}


def launched(platform: Platform, run_id: str) -> float:
    """When the daemon launched it, the last time if it was put back in between."""
    return platform.instance.all_logs(run_id, of_type=DagsterEventType.RUN_STARTING)[-1].timestamp


def most_at_work(platform: Platform, run_ids: list[str]) -> int:
    """The largest number of these runs that were at work at one time, after their own logs."""
    spans = [
        (
            platform.instance.all_logs(each, of_type=BEGIN)[0].timestamp,
            platform.instance.all_logs(each, of_type=END)[0].timestamp,
        )
        for each in run_ids
    ]
    return max(sum(begin <= moment < end for begin, end in spans) for moment, _ in spans)


def tags_of(trigger: str) -> dict[str, str]:
    """What Dagster is told of an import that was asked for in that way."""
    row = RunRow(id=new_id(), kind=RunKind.IMPORT, trigger=trigger, attempts=1, epoch=0, parameters={})
    return {key: value for key, value in launch_of(row, 600).tags.items() if key != RUN_ID_TAG}


class TestTheQueue:
    def test_is_passed_over_while_there_is_room_and_kept_in_order_when_there_is_none(self, platform: Platform) -> None:
        platform.start_daemon()
        first = [platform.waiting_run()[0] for _ in range(LIMIT)]
        queued = [platform.launch("trivial") for _ in range(MANY[platform.launcher_setting])]

        assert {platform.status(each) for each in queued} == {"QUEUED"}
        platform.let_go()
        for each in queued:
            platform.ends(each, "SUCCESS", 120)
        assert most_at_work(platform, first + queued) <= LIMIT
        assert not any(platform.instance.all_logs(each, of_type=DagsterEventType.RUN_ENQUEUED) for each in first)
        begun = [launched(platform, each) for each in queued]
        assert begun == sorted(begun)

    def test_takes_what_somebody_asks_for_before_the_files_that_a_watch_has_found(self, platform: Platform) -> None:
        platform.start_daemon()
        for _ in range(LIMIT):
            platform.waiting_run()
        found = [platform.launch("trivial", tags_of(BY_SENSOR)) for _ in range(MANY[platform.launcher_setting])]
        asked = platform.launch("trivial", tags_of("rest"))

        platform.let_go()
        for each in (asked, *found):
            platform.ends(each, "SUCCESS", 120)

        # As many as may be at work are taken at a time, in no order among themselves.
        before = [each for each in found if launched(platform, each) < launched(platform, asked)]
        assert len(before) < LIMIT

    def test_holds_the_limit_when_all_ask_in_the_same_moment(self, platform: Platform) -> None:
        platform.start_daemon()
        with ThreadPoolExecutor(10) as people:
            run_ids = list(people.map(platform.launch, ["short"] * MANY[platform.launcher_setting]))
        for each in run_ids:
            platform.ends(each, "SUCCESS", 120)

        assert most_at_work(platform, run_ids) <= LIMIT


class TestTheDaemon:
    def test_sees_a_dead_worker_whose_launcher_cannot(self, platform: Platform) -> None:
        platform.start_daemon()
        run_id, worker = platform.waiting_run()
        if platform.launcher_setting == "warm":
            os.kill(platform.process("launcher").pid, signal.SIGSTOP)
        else:
            end_groups([platform.process("code-server").pid], signal.SIGKILL, 5)
        os.kill(worker.process.pid, signal.SIGKILL)

        platform.ends(run_id, "FAILURE")
        assert "has died" in platform.messages(run_id)
        if platform.launcher_setting == "warm":
            os.kill(platform.process("launcher").pid, signal.SIGCONT)
        else:
            platform.start_code_server()
            platform.load()
