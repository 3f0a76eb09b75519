"""Runs are launched, ended and seen to die the same way whichever launcher starts them."""

import os
import signal
import time

import pytest
from dagster import DagsterEventType, DagsterInstance

from dataops_defs.instance.warm import post_mortem
from tests.instance.conftest import Platform

MATERIALIZED = DagsterEventType.ASSET_MATERIALIZATION


class TestARun:
    def test_succeeds_and_leaves_no_process(self, platform: Platform) -> None:
        run_id = platform.launch("trivial")
        platform.ends(run_id, "SUCCESS")

        worker = platform.worker(run_id)
        platform.until(lambda: not worker.process.alive, 10)

    def test_has_the_definitions_of_the_last_reload(self, platform: Platform) -> None:
        (platform.home / "version").write_text("second")
        platform.reload()
        run_id = platform.launch("versioned")
        platform.ends(run_id, "SUCCESS")

        [made] = platform.instance.all_logs(run_id, of_type=MATERIALIZED)
        assert made.dagster_event.step_materialization_data.materialization.metadata["version"].value == "second"

    def test_that_is_terminated_ends_canceled(self, platform: Platform) -> None:
        run_id, worker = platform.waiting_run()

        assert platform.instance.run_coordinator.cancel_run(run_id)
        platform.ends(run_id, "CANCELED")
        platform.until(lambda: not worker.process.alive, 10)

    def test_that_does_not_listen_is_killed_after_the_grace_with_what_it_has_started(self, platform: Platform) -> None:
        run_id, worker, grandchild = platform.deaf_run()

        assert platform.instance.run_coordinator.cancel_run(run_id)
        platform.ends(run_id, "CANCELED")
        platform.until(lambda: not worker.process.alive and not grandchild.alive, 10)

    def test_that_is_killed_ends_canceled_however_long_the_database_takes(
        self, platform: Platform, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def slowly(instance: DagsterInstance, run_id: str, how: str) -> None:
            time.sleep(2)  # the code server looks twice a second whether its processes live
            end(instance, run_id, how)

        end = post_mortem.end
        monkeypatch.setattr(post_mortem, "end", slowly)
        run_id, worker, _ = platform.deaf_run()

        assert platform.instance.run_coordinator.cancel_run(run_id)
        platform.ends(run_id, "CANCELED")
        platform.until(lambda: not worker.process.alive, 10)

    def test_whose_worker_is_killed_fails(self, platform: Platform) -> None:
        run_id, worker = platform.waiting_run()
        os.kill(worker.process.pid, signal.SIGKILL)

        platform.ends(run_id, "FAILURE")
