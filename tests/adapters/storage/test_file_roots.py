import os
from pathlib import Path

import pytest

from dataops_defs.adapters.storage.roots import (
    check_pattern,
    is_folder,
    list_files,
    matches_any,
    one_spelling,
    open_file,
)
from dataops_defs.errors import Invalid, SourceError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    inside = tmp_path / "files"
    (inside / "in" / "deep").mkdir(parents=True)
    (inside / "a.csv").write_text("a")
    (inside / "in" / "b.csv").write_text("bb")
    (inside / "in" / "deep" / "c.CSV").write_text("ccc")
    (inside / "in" / "notes.txt").write_text("d")
    (tmp_path / "secret.csv").write_text("secret")
    return inside


class TestOpeningAFile:
    def test_a_relative_path_lies_below_the_root(self, root: Path):
        with open_file([root], "in/b.csv") as file:
            assert file.read() == b"bb"

    def test_an_absolute_path_below_the_root_is_taken(self, root: Path):
        with open_file([root], str(root / "a.csv")) as file:
            assert file.read() == b"a"

    def test_a_relative_path_is_looked_for_in_every_root(self, root: Path, tmp_path: Path):
        other = tmp_path / "other"
        other.mkdir()
        (other / "z.csv").write_text("z")
        with open_file([root, other], "z.csv") as file:
            assert file.read() == b"z"

    @pytest.mark.parametrize(
        "path",
        [
            "../secret.csv",
            "in/../../secret.csv",
            "..\\secret.csv",
            "/etc/passwd",
            "a.csv\x00.txt",
            "a\n.csv",
            "~root/a.csv",
            "file:///etc/passwd",
            "",
            "x" * 300,
            "/" * 5000,
        ],
    )
    def test_a_path_that_leads_outside_or_is_none_names_the_field(self, root: Path, path: str):
        with pytest.raises(Invalid) as refused:
            open_file([root], path, field="connection.path")
        assert refused.value.fields[0].field == "connection.path"

    def test_a_folder_beside_the_root_with_the_same_beginning_is_outside(self, root: Path, tmp_path: Path):
        (tmp_path / "files2").mkdir()
        (tmp_path / "files2" / "x.csv").write_text("x")
        with pytest.raises(Invalid):
            open_file([root], str(tmp_path / "files2" / "x.csv"))

    def test_nothing_is_decoded(self, root: Path):
        with pytest.raises(SourceError, match=r"no such file: %2e%2e/secret\.csv"):
            open_file([root], "%2e%2e/secret.csv")

    def test_a_missing_file_is_named_as_the_caller_named_it(self, root: Path):
        with pytest.raises(SourceError) as refused:
            open_file([root], "in/nope.csv")
        assert str(refused.value) == "no such file: in/nope.csv"

    def test_a_link_is_not_followed_wherever_it_stands(self, root: Path, tmp_path: Path):
        (root / "link.csv").symlink_to(tmp_path / "secret.csv")
        (root / "folder").symlink_to(tmp_path)
        for path in ("link.csv", "folder/secret.csv"):
            with pytest.raises(SourceError, match="no such file"):
                open_file([root], path)

    def test_a_folder_is_no_file(self, root: Path):
        with pytest.raises(SourceError, match="not a file"):
            open_file([root], "in")

    def test_a_named_pipe_is_refused_at_once(self, root: Path):
        os.mkfifo(root / "pipe.csv")
        with pytest.raises(SourceError, match="not a file"):
            open_file([root], "pipe.csv")


class TestListingAFolder:
    def test_only_matching_names_of_the_folder_itself(self, root: Path):
        assert [each.path for each in list_files([root], "in", ["*.csv"])] == ["in/b.csv"]

    def test_below_it_too_when_asked(self, root: Path):
        found = list_files([root], str(root), ["*.csv", "*.CSV"], recursive=True)
        assert [Path(each.path).name for each in found] == ["a.csv", "b.csv", "c.CSV"]

    def test_size_and_time_tell_a_changed_file(self, root: Path):
        before = list_files([root], "in", ["b.csv"])[0]
        (root / "in" / "b.csv").write_text("longer")
        after = list_files([root], "in", ["b.csv"])[0]
        assert (before.size, after.size) == (2, 6)
        assert after.mark != before.mark

    def test_a_file_of_the_same_size_and_time_in_its_place_is_another(self, root: Path):
        before, there = list_files([root], "in", ["b.csv"])[0], root / "in" / "b.csv"
        times = there.stat()
        (root / "in" / "new").write_text("cc")
        os.utime(root / "in" / "new", ns=(times.st_atime_ns, times.st_mtime_ns))
        (root / "in" / "new").replace(there)
        after = list_files([root], "in", ["b.csv"])[0]
        assert (after.size, there.stat().st_mtime_ns) == (before.size, times.st_mtime_ns)
        assert after.mark != before.mark

    def test_links_are_left_out(self, root: Path, tmp_path: Path):
        (root / "in" / "link.csv").symlink_to(tmp_path / "secret.csv")
        (root / "in" / "up").symlink_to(tmp_path)
        found = list_files([root], "in", ["*.csv"], recursive=True)
        assert [each.path for each in found] == ["in/b.csv"]

    @pytest.mark.parametrize("pattern", ["../*", "*" * 9, "x" * 200, "", "a\x00b", "[", "a[!]", "[]", "[a]["])
    def test_a_pattern_that_is_no_name_is_refused(self, root: Path, pattern: str):
        with pytest.raises(Invalid) as refused:
            list_files([root], "in", [pattern])
        assert refused.value.fields[0].field == "file_patterns"

    @pytest.mark.parametrize("pattern", ["a[1].csv", "[]]", "[!a]*", "[[]draft].csv"])
    def test_a_pattern_with_a_choice_of_characters_is_one(self, pattern: str):
        check_pattern(pattern)

    @pytest.mark.parametrize(
        ("name", "pattern", "matches"),
        [("a.csv", "*.csv", True), (".a.csv", "*.csv", False), (".a.csv", "?a*", False), (".a.csv", ".*.csv", True)],
    )
    def test_a_pattern_without_a_dot_before_it_stands_for_no_hidden_name(self, name: str, pattern: str, matches: bool):
        assert matches_any(name, ["*.json", pattern]) is matches

    def test_a_folder_outside_is_refused(self, root: Path):
        with pytest.raises(Invalid):
            list_files([root], "/etc", ["*"])
        assert is_folder([root], "in")
        assert not is_folder([root], "a.csv")


class TestOneSpelling:
    def test_of_all_that_lead_to_a_file(self, root: Path):
        given = ["in/b.csv", "./in//b.csv", f"{root}/in/b.csv", f"{root}//./in/b.csv/"]
        assert {one_spelling([root], path) for path in given} == {"in/b.csv"}
        assert {one_spelling([root], path) for path in (".", "./", str(root))} == {"."}

    def test_elsewhere_is_absolute(self, root: Path):
        assert one_spelling([root], "/mnt//share/./a.csv") == "/mnt/share/a.csv"

    def test_of_a_file_that_another_one_hides_is_absolute(self, root: Path, tmp_path: Path):
        other = tmp_path / "other"
        other.mkdir()
        for name in ("a.csv", "c.csv"):
            (other / name).write_text("x")
        assert one_spelling([root, other], f"{other}/a.csv") == f"{other}/a.csv"
        assert one_spelling([root, other], f"{other}/c.csv") == "c.csv"
