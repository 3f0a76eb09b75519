"""Mail about files of a watched folder: one for all files of a run, also of a run that died."""

import pytest

from dataops_defs.catalogue.imports import Imports
from dataops_defs.domain.run import RunState
from dataops_defs.errors import FilesFailed
from tests.alert_scenes import take_mail_to
from tests.flows.arrival_scenes import BROKEN, a_folder, before, end
from tests.mailbox import Mailbox
from tests.scenes import World


class TestMail:
    def test_tells_of_all_files_of_a_run_in_one_those_first_that_failed(self, world: World) -> None:
        folder = a_folder(world, {"may.json": BROKEN}, notification_email="team@example.com")
        [launch] = folder.look()
        with Mailbox().running() as mailbox:
            take_mail_to(world, mailbox)
            with pytest.raises(FilesFailed):
                folder.run(launch)
        assert mailbox.subjects == ["in: 4 imported, 1 not imported"]
        lines = mailbox.messages[0].get_content().splitlines()
        assert lines[0] == "5 files: 4 imported, 1 not imported"
        assert lines[2] == "in/may.json: not imported"
        assert any(line.startswith("in/apr.csv: imported into raw.apr: 1 rows (import_") for line in lines)

    def test_tells_of_a_file_whose_run_died(self, world: World) -> None:
        folder = a_folder(world, notification_email="team@example.com")
        [launch] = folder.look()
        with world.platform.catalogue() as session:
            [first, *_] = Imports(session).of_run(launch.run_id)
            Imports(session).begin(first.id, launch.run_id)
        end(world, launch, RunState.FAILED, "The run's worker died 5 times")
        with Mailbox().running() as mailbox:
            take_mail_to(world, mailbox)
            folder.look()
            assert mailbox.subjects == ["apr.csv: not imported"]
            folder.look()
        assert len(mailbox.messages) == 1

    def test_tells_also_of_what_was_imported_before_its_run_died(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = a_folder(world, notification_email="team@example.com")
        [launch] = folder.look()

        def dies() -> None:
            raise KeyboardInterrupt

        before("in/jan.csv", monkeypatch, dies)
        with Mailbox().running() as mailbox:
            take_mail_to(world, mailbox)
            with pytest.raises(KeyboardInterrupt):
                folder.run(launch)
            end(world, launch, RunState.CANCELLED, "cancelled")
            folder.look()
        assert mailbox.subjects == ["in: 2 imported, 2 not imported"]
