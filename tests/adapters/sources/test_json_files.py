from pathlib import Path

import pytest

from dataops_defs.domain.extraction import FileFormat
from dataops_defs.errors import SourceError
from tests.adapters.sources.file_scenes import asked, files_in, jsonl, packed, read, rows


class TestOneFile:
    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("f.json", b'[{"a": 1}, {"a": 2}]'),
            ("f.json", b'\xef\xbb\xbf[{"a": 1},\n{"a": 2}]\n'),
            ("f.json", b'{"a": 1}\n{"a": 2}\n'),
            ("f.jsonl", b'{"a": 1}\n\n{"a": 2}'),
            ("f.ndjson", b'{"a": 1}\r\n{"a": 2}\r\n'),
            ("f.json.gz", packed(b'[{"a": 1}, {"a": 2}]')),
            ("f.jsonl", packed(b'{"a": 1}\n{"a": 2}\n')),
        ],
    )
    def test_records_are_rows_however_they_are_written(self, tmp_path: Path, name: str, content: bytes):
        (tmp_path / name).write_bytes(content)
        assert rows(files_in(tmp_path), asked(name)) == [{"a": 1}, {"a": 2}]

    def test_one_object_is_one_row_also_over_several_lines(self, tmp_path: Path):
        (tmp_path / "f.json").write_text('{\n "a": 1,\n "b": {"c": [2]}\n}')
        assert rows(files_in(tmp_path), asked("f.json")) == [{"a": 1, "b": '{"c":[2]}'}]

    def test_what_is_said_counts_more_than_the_name(self, tmp_path: Path):
        (tmp_path / "f.json").write_text('{"a": 1}\n{"a": 2}\n')
        with pytest.raises(SourceError, match=r"f\.json: something follows its end"):
            rows(files_in(tmp_path), asked("f.json", FileFormat.JSON))
        (tmp_path / "f.log").write_text('{"a": 1}\n{"a": 2}\n')
        assert len(rows(files_in(tmp_path), asked("f.log", FileFormat.JSONL))) == 2

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b'[{"a": 1}, ', "it breaks off"),
            (b"", "it is empty"),
            (packed(b'[{"a": 1}]' + b" " * 100_000)[:-20], "breaks off: it is not the whole of a gzip file"),
            (packed(b'[{"a": 1}]')[:-8] + b"12345678", "is damaged: it cannot be unpacked"),
        ],
    )
    def test_a_file_that_is_not_whole_gives_no_row(self, tmp_path: Path, content: bytes, said: str):
        (tmp_path / "f.json").write_bytes(content)
        with pytest.raises(SourceError, match=rf"^f\.json:? {said}"):
            rows(files_in(tmp_path), asked("f.json"))

    def test_a_preview_reads_the_beginning_only(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        (tmp_path / "f.jsonl").write_bytes(jsonl(*({"n": n, "text": "x" * 1000} for n in range(30_000))) + b"broken")
        shown = files_in(tmp_path).preview(asked("f.jsonl"), 3)
        assert ([row["n"] for row in shown.rows], shown.truncated) == ([0, 1, 2], True)


class TestSeveralFiles:
    def test_types_are_proven_over_all_and_rejects_name_their_file(self, tmp_path: Path):
        (tmp_path / "1.jsonl").write_bytes(b'{"a": 1}\nnull\n{"a": "2020-01-01"}\n')
        (tmp_path / "2.jsonl").write_bytes(b"")
        (tmp_path / "3.jsonl").write_bytes(b'{"b": 0.5}\n[1]\n')
        table, rejected = read(files_in(tmp_path), asked("*.jsonl"))
        assert table.to_pylist() == [
            {"a": "1", "b": None},
            {"a": "2020-01-01", "b": None},
            {"a": None, "b": table["b"][2].as_py()},
        ]
        assert [(each.number, each.reason) for each in rejected] == [
            (2, "is null, not an object (row 2 of 1.jsonl)"),
            (5, "is an array, not an object (row 2 of 3.jsonl)"),
        ]

    def test_the_file_that_breaks_off_is_named(self, tmp_path: Path):
        (tmp_path / "1.json").write_text('[{"a": 1}]')
        (tmp_path / "2.json").write_text('[{"a": 1}, ')
        with pytest.raises(SourceError, match=r"^2\.json: it breaks off"):
            rows(files_in(tmp_path), asked("*.json"))
