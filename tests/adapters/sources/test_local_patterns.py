import os
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dataops_defs.adapters.sources.csv.file import CsvSource
from dataops_defs.adapters.sources.files.local import LocalFiles
from dataops_defs.adapters.sources.registry import open_source
from dataops_defs.adapters.storage.files import Entry
from dataops_defs.adapters.storage.roots_files import RootFiles
from dataops_defs.domain.extraction import Extraction, ExtractionType
from dataops_defs.domain.source import Source, SourceType
from dataops_defs.errors import Invalid, SourceError
from tests.adapters.sources.file_scenes import packed, read, rows, workbook


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "files"
    (made / "in" / "deep").mkdir(parents=True)
    (made / "in" / "1.csv").write_text("id,price\n1,1.5\n")
    (made / "in" / "deep" / "2.csv").write_text("price;id;note\n2.25;2;x\nbad\n")
    (made / "in" / "notes.txt").write_text("no")
    (made / "3.csv").write_text("id\n3\n")
    (tmp_path / "secret.csv").write_text("id\n4\n")
    return made


def opened(root: Path, path: str, kind: SourceType = SourceType.CSV, **settings: str) -> Any:
    return open_source(Source("1", "s", "s", kind, "app", {"path": path, **settings}), roots=[root])


def asked(path: str | None = None, sheet: str | None = None) -> Extraction:
    return Extraction(ExtractionType.FILE, path=path, sheet=sheet)


class TestPatterns:
    def test_files_that_match_are_one_dataset(self, root: Path):
        table, rejected = read(opened(root, "in"), asked("**/*.csv"))
        assert table.to_pylist() == [
            {"id": 1, "price": Decimal("1.50"), "note": None},
            {"id": 2, "price": Decimal("2.25"), "note": "x"},
        ]
        assert [each.reason for each in rejected] == ["expected 3 fields, found 1 (row 2 of in/deep/2.csv)"]

    @pytest.mark.parametrize(
        ("base", "path", "found"),
        [
            ("in", "*.csv", [1]),
            ("in/*.csv", None, [1]),
            ("./in/*.csv", None, [1]),
            (".", "*.csv", [3]),
            (".", "**/1.*", [1]),
            ("*.csv", None, [3]),
            ("{root}/in", "1*", [1]),
            ("{root}/*.csv", None, [3]),
        ],
    )
    def test_a_pattern_may_be_the_sources_or_the_extractions(self, root: Path, base: str, path: str, found: list[int]):
        assert [row["id"] for row in rows(opened(root, base.format(root=root)), asked(path))] == found

    def test_they_are_counted_by_a_test_and_shown_by_a_preview(self, root: Path):
        assert opened(root, "in/*").test() == "2 files match in/*"
        shown = opened(root, "in").preview(asked("**/*.csv"), 10)
        assert ([each.name for each in shown.columns], len(shown.rows)) == (["id", "price", "note"], 2)

    @pytest.mark.parametrize(
        ("base", "path", "said"),
        [
            ("in", "*.xls", r"no file matches in/\*\.xls"),
            ("in/*.xls", None, r"no file matches in/\*\.xls"),
            ("none", "*", "no such file"),
            ("in", "../*.csv", r"must not hold '\.\.'"),
            ("../*.csv", None, r"must not hold '\.\.'"),
            ("/etc/*", None, "must lie below a mount, or a folder"),
        ],
    )
    def test_what_matches_nothing_or_leads_out_is_said(self, root: Path, base: str, path: str, said: str):
        with pytest.raises((SourceError, Invalid), match=said):
            rows(opened(root, base), asked(path))

    def test_links_are_not_followed(self, root: Path):
        (root / "in" / "linked.csv").symlink_to(root.parent / "secret.csv")
        (root / "in" / "up").symlink_to(root.parent)
        assert len(read(opened(root, "in"), asked("**/*.csv"))[0]) == 2

    def test_workbooks_too(self, root: Path):
        (root / "a.xlsx").write_bytes(workbook(["id", "seen"], [1, None]))
        (root / "b.xlsx").write_bytes(workbook(["id", "seen"], ["x", True]))
        assert rows(opened(root, ".", SourceType.EXCEL), asked("*.xlsx")) == [
            {"id": "1", "seen": None},
            {"id": "x", "seen": True},
        ]


class TestPackedFiles:
    def test_are_unpacked(self, root: Path):
        (root / "z.csv.gz").write_bytes(packed("id\n") + packed("5\n"))
        source = opened(root, "z.csv.gz")
        assert rows(source, asked()) == [{"id": 5}]
        assert source.preview(asked(), 5).rows == [{"id": 5}]
        assert source.test() == "file z.csv.gz has 1 column"

    def test_that_are_not_whole_give_no_row(self, root: Path):
        (root / "z.csv.gz").write_bytes(packed("id\n" + "5\n" * 100_000)[:-9])
        with pytest.raises(SourceError, match=r"z\.csv\.gz breaks off"):
            rows(opened(root, "z.csv.gz"), asked())


class TestOnePlainFile:
    def test_is_read_as_fast_as_ever(self, root: Path):
        source = opened(root, "3.csv")
        assert isinstance(source, LocalFiles)
        assert isinstance(source.reader(), CsvSource)
        assert rows(opened(root, "in"), asked("1.csv")) == [{"id": 1, "price": Decimal("1.5")}]

    def test_a_row_too_long_for_a_small_block_is_read_among_others_too(self, root: Path):
        (root / "in" / "0.csv").write_text("id,price\n1,2\n" + "7," + "1" * 2_000_000 + "\n")
        found = rows(opened(root, "in"), asked("*.csv"))
        assert [len(row["price"]) for row in found] == [1, 2_000_000, 3]

    def test_a_file_that_changed_since_it_was_found_gives_no_row(self, root: Path):
        files = RootFiles([root])
        found = files.entry("3.csv")
        assert isinstance(found, Entry)
        os.utime(root / "3.csv", ns=(1, 1))
        with pytest.raises(SourceError, match=r"3\.csv changed"), files.opened(found):
            pass


def test_readings_at_once_do_not_disturb_each_other(root: Path):
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(len(read(opened(root, "in"), asked("**/*.csv"))[0])))
        for _ in range(8)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == [2] * 8
