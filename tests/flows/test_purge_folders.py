"""Folders by age: exports, and what runs printed that are no more."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dataops_defs.catalogue.base import new_id
from dataops_defs.flows.purge import Purged, purge_folder, purge_run_folders

MONTH_AGO = datetime.now(UTC) - timedelta(days=30)


def silent(_text: str) -> None: ...


def aged(path: Path, days: float) -> Path:
    when = time.time() - days * 86_400
    os.utime(path, (when, when), follow_symlinks=False)
    return path


def a_file(path: Path, days: float, size: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return aged(path, days)


class TestAFolder:
    def test_loses_old_files_and_keeps_young_ones(self, tmp_path: Path) -> None:
        a_file(tmp_path / "a" / "old.xlsx", 31, size=700)
        young = a_file(tmp_path / "a" / "young.xlsx", 29)
        assert purge_folder(tmp_path, MONTH_AGO, silent) == Purged(1, 700)
        assert [each for each in tmp_path.rglob("*") if each.is_file()] == [young]

    def test_loses_folders_that_have_long_been_empty(self, tmp_path: Path) -> None:
        for name, days in (("long", 31), ("just_made", 0)):
            (tmp_path / name).mkdir()
            aged(tmp_path / name, days)
        purge_folder(tmp_path, MONTH_AGO, silent)
        assert [each.name for each in tmp_path.iterdir()] == ["just_made"]

    def test_that_is_not_there_has_nothing_to_lose(self, tmp_path: Path) -> None:
        assert purge_folder(tmp_path / "exports", MONTH_AGO, silent) == Purged()

    def test_leads_nowhere_else(self, tmp_path: Path) -> None:
        outside = a_file(tmp_path / "outside" / "old.txt", 99)
        inside = tmp_path / "exports"
        inside.mkdir()
        for target in (outside, outside.parent):
            (inside / target.name).symlink_to(target)
            aged(inside / target.name, 99)
        purge_folder(inside, MONTH_AGO, silent)
        assert outside.exists()


class TestWhatRunsPrinted:
    def test_goes_with_the_run(self, tmp_path: Path) -> None:
        known, deleted, young = new_id(), new_id(), new_id()
        for name in (known, deleted, young, "aviation"):
            a_file(tmp_path / name / "compute_logs" / "x.out", 40, size=300)
            aged(tmp_path / name, 0 if name == young else 40)
        gone = purge_run_folders(tmp_path, lambda ids: {known} & set(ids), MONTH_AGO, silent)
        assert gone == Purged(1, 300)
        assert {each.name for each in tmp_path.iterdir()} == {known, young, "aviation"}

    def test_of_no_runs_at_all_is_nothing(self, tmp_path: Path) -> None:
        assert purge_run_folders(tmp_path / "storage", lambda _ids: (), MONTH_AGO, silent) == Purged()
