"""Compressed files: unpacked whole, by members, or refused in a sentence."""

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from dataops_defs.adapters.storage import packing
from dataops_defs.adapters.storage.spool import unpacked
from dataops_defs.errors import SourceError

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "Zstandard": zstandard.ZstdCompressor(write_checksum=True).compress,
}
CONTENT = b"".join(b"%d,some text\n" % number for number in range(300_000))


def content_of(path: Path, packed: bytes) -> bytes:
    path.write_bytes(packed)
    with path.open("rb") as file, unpacked(file, "f") as content:
        return content.read()


@pytest.mark.parametrize("name", PACK)
class TestAPackedFile:
    def test_comes_out_as_it_went_in(self, tmp_path: Path, name: str) -> None:
        assert content_of(tmp_path / "f", PACK[name](CONTENT)) == CONTENT

    def test_of_several_members_is_all_of_them(self, tmp_path: Path, name: str) -> None:
        assert content_of(tmp_path / "f", PACK[name](b"a\n") + PACK[name](CONTENT)) == b"a\n" + CONTENT

    def test_that_breaks_off_or_is_damaged_says_so(self, tmp_path: Path, name: str) -> None:
        whole = PACK[name](CONTENT)
        for broken in (whole[:-20], whole[:-1], whole[: len(whole) // 2], whole[:200] + b"\x55" * 300 + whole[500:]):
            with pytest.raises(SourceError, match=f"{name}"):
                content_of(tmp_path / "f", broken)

    def test_that_unfolds_as_no_honest_one_does_is_refused(
        self, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(packing, "SMALL", 1024 * 1024)
        with pytest.raises(SourceError, match="unfolds to more than 500 times"):
            content_of(tmp_path / "f", PACK[name](bytes(64 * 1024 * 1024)))


def test_a_text_that_begins_like_bzip2_is_a_text(tmp_path: Path) -> None:
    assert content_of(tmp_path / "f", b"BZh9,name\n1,2\n") == b"BZh9,name\n1,2\n"
