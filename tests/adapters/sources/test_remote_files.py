import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from dataops_defs.adapters.line import Line
from dataops_defs.adapters.sources.files.remote import remote_source
from dataops_defs.adapters.sources.registry import open_source
from dataops_defs.adapters.storage import spool
from dataops_defs.adapters.storage.files import Files
from dataops_defs.adapters.storage.remote import sftp as remote_sftp
from dataops_defs.adapters.storage.remote.address import Patience, RemoteAddress
from dataops_defs.domain.columns import RejectedRow
from dataops_defs.domain.extraction import Extraction, ExtractionType
from dataops_defs.domain.source import SECRET_FIELDS, Source, SourceType
from dataops_defs.errors import InsufficientStorage, Invalid, SourceError, SourceUnavailable
from dataops_defs.services.embedded import free_port
from tests import shares
from tests.adapters.sources.file_scenes import packed, read, rows, workbook
from tests.relay import Relay

QUICK = Patience(connect=0.5, answer=0.5)
KINDS = ["sftp", "webdav", "smb"]
NO_SMBD = "smbd is not installed: run 'make test-deps' as root"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], shares.Share]]:
    """Servers, each started when it is first asked for."""
    with ExitStack() as started:
        known: dict[str, shares.Share] = {}

        def of(kind: str) -> shares.Share:
            if kind not in known:
                folder = tmp_path_factory.mktemp(kind)
                known[kind] = started.enter_context(_server(kind, folder, tmp_path_factory))
            return known[kind]

        yield of


def _server(kind: str, folder: Path, folders: pytest.TempPathFactory) -> Any:
    if kind == "sftp":
        return shares.sftp(folder, folders.mktemp("remote_file_keys"))
    if kind == "smb" and shares.SMBD is None:
        pytest.skip(NO_SMBD)
    return shares.smb(folder) if kind == "smb" else shares.rclone("webdav", folder)


@pytest.fixture(params=KINDS)
def share(request: pytest.FixtureRequest, servers: Callable[[str], shares.Share]) -> shares.Share:
    made = servers(request.param)
    made.clear()
    return made


def source(share: shares.Share, path: str = "", kind: SourceType = SourceType.CSV, **other: Any) -> Source:
    """The share as a source; ``path`` may be a whole address, and None takes a setting out."""
    address = path if "://" in path else share.address(path)
    given = {name: each for name, each in {"path": address, **share.login, **other}.items() if each is not None}
    secrets = {name: value for name, value in given.items() if name in SECRET_FIELDS}
    shown = {name: value for name, value in given.items() if name not in SECRET_FIELDS}
    return Source("1", "s", "s", kind, "app", shown, secrets)


def opened(share: shares.Share, path: str = "", **other: Any) -> Any:
    return open_source(source(share, path, **other), roots=(), allowed_hosts="127.0.0.1,localhost,*")


def asked(path: str | None = None, sheet: str | None = None) -> Extraction:
    return Extraction(ExtractionType.FILE, path=path, sheet=sheet)


class TestReading:
    def test_a_file(self, share):
        share.put("in/a b#1.csv", "id,name\n1,Zoë\n2,x\n")
        found = opened(share, "in/a%20b%231.csv")
        assert rows(found, asked()) == [{"id": 1, "name": "Zoë"}, {"id": 2, "name": "x"}]
        assert found.preview(asked(), 1).rows == [{"id": 1, "name": "Zoë"}]
        assert found.test().endswith("in/a b#1.csv has 2 columns")

    def test_a_file_in_a_folder(self, share):
        share.put("in/Zoë 100%.csv", "id\n1\n")
        assert rows(opened(share, "in"), asked("Zoë 100%.csv")) == [{"id": 1}]

    def test_all_files_that_match(self, share):
        share.put("in/1.csv", "id,x\n1,1.5\n")
        share.put("in/2024/2.csv.gz", packed("x,id\n2,2\nbad\n"))
        share.put("in/2024/notes.txt", "no")
        share.put("other/3.csv", "id\n3\n")
        found, rejected = read(opened(share, "in"), asked("**/*.csv*"))
        assert [row["id"] for row in found.to_pylist()] == [1, 2]
        reason = f"expected 2 fields, found 1 (row 2 of {share.base}/in/2024/2.csv.gz)"
        assert rejected == [RejectedRow(3, reason, raw={"line": "bad"})]
        assert opened(share, "in/*.csv").test().startswith("1 file matches")

    def test_a_workbook(self, share):
        share.put("book.xlsx", workbook(["id"], [1], [2]))
        assert rows(opened(share, kind=SourceType.EXCEL), asked("book.xlsx")) == [{"id": 1}, {"id": 2}]

    def test_a_large_file_whole_and_its_beginning_for_a_preview(self, share):
        share.put("big.csv", "id,text\n" + "".join(f"{n},{'x' * 100}\n" for n in range(100_000)))
        found, _ = read(opened(share), asked("big.csv"))
        assert found["id"].to_pylist() == list(range(100_000))
        shown = opened(share).preview(asked("big.csv"), 2)
        assert ([row["id"] for row in shown.rows], shown.truncated) == ([0, 1], True)

    def test_a_folder_is_counted(self, share):
        share.put("in/1.csv", "id\n1\n")
        share.put("in/deep/2.csv", "id\n1\n")
        assert opened(share, "in/").test().endswith("/in holds 1 file")


class TestRefusals:
    @pytest.mark.parametrize(
        ("path", "asked_for", "said"),
        [
            ("nope.csv", None, r"no such file: .*/nope\.csv"),
            ("in", "nope.csv", r"no such file: .*/in/nope\.csv"),
            ("in", "*.txt", r"no file matches .*/in/\*\.txt"),
            ("in", None, "is required: .* is a folder"),
            ("in", "../x", r"must not hold '\.\.'"),
        ],
    )
    def test_what_is_not_there_is_said(self, share, path: str, asked_for: str | None, said: str):
        share.put("in/1.csv", "id\n1\n")
        with pytest.raises((SourceError, Invalid), match=said):
            rows(opened(share, path), asked(asked_for))

    @pytest.mark.parametrize("wrong", [{"password": "hush-hush"}, {"username": "somebody"}])
    def test_wrong_credentials_are_said_and_not_shown(self, share, wrong: dict[str, str]):
        with pytest.raises(SourceError, match="refused the credentials") as refused:
            opened(share, **wrong).test()
        assert not isinstance(refused.value, SourceUnavailable)
        assert "hush" not in str(refused.value)

    def test_one_user_does_not_get_the_connection_of_another(self, share):
        share.put("1.csv", "id\n1\n")
        held = opened(share)
        with held.connect(), pytest.raises(SourceError, match="refused the credentials"):
            opened(share, password="wrong").test()

    def test_a_share_that_is_not_there_is_said(self, servers):
        if shares.SMBD is None:
            pytest.skip(NO_SMBD)
        share = servers("smb")
        with pytest.raises(SourceError, match="has no share 'none'"):
            opened(share, path=share.address().replace("/files", "/none")).test()

    def test_nobody_there_is_said(self, share):
        there = share.address(port=free_port())
        with pytest.raises(SourceUnavailable, match="cannot be reached"):
            opened(share, path=there).test()

    def test_an_unknown_host_is_said(self, share):
        with pytest.raises(SourceUnavailable, match=r"The host 'nowhere\.invalid' is not known"):
            opened(share, path=f"{share.scheme}://nowhere.invalid/files/x").test()

    def test_another_kind_of_server_is_said(self, share, servers):
        other = servers("webdav" if share.scheme != "webdav" else "sftp")
        address = RemoteAddress.of(share.address(port=other.port))
        assert address is not None
        with pytest.raises(SourceUnavailable):
            remote_source(source(share), address, patience=QUICK).test()

    @pytest.mark.parametrize(
        ("path", "said"),
        [
            ("ftp://host/x", "'ftp://' is not served"),
            ("sftp://me:secret@host/x", "must not hold a user or password"),
            ("sftp:///x", "must name a host"),
            ("sftp://host:99999/x", "must name a host"),
            ("sftp://host/a/%2e%2e/b", r"must not hold '\.\.'"),
            ("webdavs://host/a\n", "control characters"),
            ("smb://host", "must name a share"),
            ("webdav://169.254.169.254/latest", "not a host that sources may name"),
        ],
    )
    def test_addresses_that_are_none_are_refused(self, path: str, said: str):
        made = Source("1", "s", "s", SourceType.CSV, "app", {"path": path, "username": "me"})
        with pytest.raises(Invalid, match=said):
            open_source(made, roots=()).test()

    def test_hosts_that_are_not_listed_are_refused(self, share):
        with pytest.raises(Invalid, match="is not among the hosts"):
            open_source(source(share), roots=(), allowed_hosts="files.example.org")
        listed = open_source(source(share), roots=(), allowed_hosts=f"127.0.0.1:{share.port}")
        assert "holds 0 files" in listed.test()
        with pytest.raises(Invalid, match="not a host that sources may name"):
            open_source(source(share), roots=()).test()

    def test_a_file_too_large_for_the_disk_is_not_begun(self, share, monkeypatch):
        share.put("1.csv", "id\n1\n")
        monkeypatch.setattr(spool, "KEPT_FREE", 2**60)
        with pytest.raises(InsufficientStorage, match="make room, or name another disk"):
            rows(opened(share), asked("1.csv"))

    def test_a_file_over_the_limit_is_not_begun_nor_unpacked(self, share):
        share.put("1.csv", "id\n1\n" * 100)
        share.put("1.csv.gz", packed("id\n1\n" * 100_000))
        address = RemoteAddress.of(share.address())
        for name in ("1.csv", "1.csv.gz"):
            small = remote_source(source(share), address, max_bytes=400 if name == "1.csv" else 100_000)
            with pytest.raises(SourceError, match="is larger than"):
                rows(small, asked(name))


class TestHostKeys:
    @pytest.fixture
    def share(self, servers) -> shares.Share:
        return servers("sftp")

    def test_an_unknown_host_is_never_trusted_and_its_key_is_told(self, share):
        with pytest.raises(
            SourceError, match=r"is not known yet; .* fingerprint SHA256:.* give the key as hostKey"
        ) as told:
            opened(share, hostKey=None, password="must not be sent").test()
        given = str(told.value).rpartition("hostKey: ")[2]
        assert given == share.login["hostKey"]
        assert opened(share, hostKey=f"[127.0.0.1]:{share.port} {given} comment").test()

    def test_another_key_than_the_known_one_is_refused(self, share, tmp_path):
        other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFU7L3kriSTjB8rcTHIFzHAPawB6fecePimgfHF/xKQi"
        with pytest.raises(SourceError, match="shows another key"):
            opened(share, hostKey=other).test()

    def test_what_is_no_key_is_refused(self, share):
        with pytest.raises(Invalid, match="must be a host's key as in known_hosts"):
            opened(share, hostKey="SHA256:abc").test()

    def test_a_private_key_opens_it_without_a_password(self, share, servers, request):
        key = next(Path(request.getfixturevalue("tmp_path_factory").getbasetemp()).glob("remote_file_keys*/user"))
        assert opened(share, privateKey=key.read_text(), password=None).test()
        with pytest.raises(SourceError, match="private key cannot be read"):
            opened(share, privateKey="-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n").test()


def read_for_ever(files: Files, path: str) -> None:
    while entry := files.entry(path):
        with files.opened(entry):
            pass


class TestFaults:
    @pytest.fixture
    def network(self, share) -> Iterator[Relay]:
        made = Relay("127.0.0.1", share.port)
        yield made
        made.close()

    @staticmethod
    def through(network: Relay, share: shares.Share, patience: Patience = QUICK, **more: Any) -> Any:
        address = RemoteAddress.of(share.address(port=network.port))
        assert address is not None
        return remote_source(source(share), address, patience=patience, **more)

    def test_a_server_that_falls_silent_is_left(self, share, network):
        share.put("1.csv", "id\n1\n")
        found = self.through(network, share)
        with found.connect() as files:
            assert files.entry(f"{share.base}/1.csv")
            network.swallow()
            with pytest.raises(SourceUnavailable, match="did not answer in time"):
                files.entry(f"{share.base}/1.csv")

    def test_a_server_that_never_speaks_is_left(self, share, network):
        network.swallow()
        with pytest.raises(SourceUnavailable):
            self.through(network, share).test()

    def test_a_connection_that_breaks_gives_no_row(self, share, network):
        share.put("1.csv", "id\n" + "1\n" * 500_000)
        with self.through(network, share).connect() as files:
            entry = files.entry(f"{share.base}/1.csv")
            network.cut_after(300_000)
            with pytest.raises(SourceUnavailable, match="broke off"), files.opened(entry):
                pass

    def test_a_file_that_changes_meanwhile_gives_no_row(self, share):
        path = share.put("1.csv", "id\n1\n2\n")
        with opened(share).connect() as files:
            entry = files.entry(f"{share.base}/1.csv")
            time.sleep(1.1)  # SFTP tells the time of the last change in seconds
            path.write_text("id\n3\n4\n")
            with pytest.raises(SourceError, match=r"1\.csv changed while it was read"), files.opened(entry):
                pass

    def test_a_file_that_goes_away_gives_no_row(self, share):
        path = share.put("1.csv", "id\n1\n")
        with opened(share).connect() as files:
            entry = files.entry(f"{share.base}/1.csv")
            path.unlink()
            with pytest.raises(SourceError, match="no such file"), files.opened(entry):
                pass

    def test_a_run_that_has_to_end_does_not_wait_for_the_server(self, share, network):
        share.put("1.csv", "id\n" + "1\n" * 500_000)

        @contextmanager
        def cut_soon(line: Line) -> Iterator[None]:
            threading.Timer(0.4, line.cut).start()
            threading.Timer(0.2, network.swallow).start()
            yield

        began = time.monotonic()
        found = self.through(network, share, Patience(), during=cut_soon)
        with pytest.raises(SourceUnavailable), found.connect() as files:
            read_for_ever(files, f"{share.base}/1.csv")
        assert time.monotonic() - began < Patience().answer

    def test_what_is_asked_ahead_of_sftp_does_not_change_what_comes(self, servers, monkeypatch):
        share = servers("sftp")
        share.put("1.csv", "id\n" + "".join(f"{n}\n" for n in range(1000)))
        monkeypatch.setattr(remote_sftp, "ANSWER_BYTES", 7)
        monkeypatch.setattr(remote_sftp, "WINDOW", 3)
        assert [row["id"] for row in rows(opened(share), asked("1.csv"))] == list(range(1000))
