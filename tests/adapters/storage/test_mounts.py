"""Mounts over real servers: files by the paths that users know, free space, and what the system has mounted."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dataops_defs.adapters.storage.files import Entry, found_by
from dataops_defs.adapters.storage.mounts import opened as opening
from dataops_defs.adapters.storage.mounts.files import MountedFiles
from dataops_defs.adapters.storage.mounts.kernel import KernelMount, kernel_mount
from dataops_defs.adapters.storage.mounts.opened import Reach, look_at, mounted_files
from dataops_defs.adapters.storage.mounts.way import way_to
from dataops_defs.domain.mount import Mount, Via, connection_of, network_place
from dataops_defs.domain.source import split_secrets
from dataops_defs.errors import Invalid, SourceError, SourceUnavailable
from tests import shares

HERE = ("127.0.0.1", "localhost")
KINDS = ["sftp", "smb", "webdav", "s3", "local"]


class Served:
    """A place of files and the mount that leads to it."""

    def __init__(self, mount: Mount, put: Callable[[str, str], object], root: Path) -> None:
        self.mount, self.put = mount, put
        self.reach = Reach((root,), HERE)


def mount(network_path: str, via: Via = Via.CLIENT, local_path: str = "/mnt/share", **credentials: str) -> Mount:
    place = network_place(network_path)
    shown, hidden = split_secrets(connection_of(place, credentials))
    return Mount("1", local_path, place, via, shown, hidden)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Served]]:
    with ExitStack() as started:
        known: dict[str, Served] = {}

        def of(kind: str) -> Served:
            if kind not in known:
                known[kind] = started.enter_context(_served(kind, tmp_path_factory))
            return known[kind]

        yield of


@contextmanager
def _served(kind: str, folders: pytest.TempPathFactory) -> Iterator[Served]:
    folder = folders.mktemp(kind)
    (folder / "data").mkdir()
    if kind == "local":
        yield Served(mount(f"{folder}/data", Via.FOLDER), _into(folder), folder)
    elif kind == "s3":
        with shares.s3() as server:
            client = server.client()
            client.create_bucket(Bucket="lake")
            login = {"access_key_id": server.key, "secret_access_key": server.secret, "endpoint": server.endpoint}
            made = mount("s3://lake/data", **login)
            yield Served(made, lambda name, text: client.put_object(Bucket="lake", Key=name, Body=text), folder)
    else:
        with _share(kind, folder, folders) as share:
            login = {"username": share.login["username"], "password": share.login["password"]}
            if "hostKey" in share.login:
                login["host_key"] = share.login["hostKey"]
            yield Served(mount(share.address("data"), **login), _into(folder), folder)


def _share(kind: str, folder: Path, folders: pytest.TempPathFactory) -> Any:
    if kind == "sftp":
        return shares.sftp(folder, folders.mktemp("keys"))
    if kind == "smb" and shares.SMBD is None:
        pytest.skip("smbd is not installed: run 'make test-deps' as root")
    return shares.smb(folder) if kind == "smb" else shares.rclone(kind, folder)


def _into(folder: Path) -> Callable[[str, str], object]:
    def put(name: str, text: str) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return put


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, served: Callable[[str], Served]) -> Served:
    return served(request.param)


class TestFilesOfAMount:
    def test_are_known_by_the_paths_below_it(self, place):
        place.put("data/in/a b#1.csv", "id\n1\n")
        place.put("data/in/deep/c.csv", "id\n2\n")
        place.put("elsewhere.csv", "id\n3\n")
        with mounted_files(place.mount, place.reach) as files:
            assert [each.path for each in found_by(files, "/mnt/share/in/**/*.csv")] == [
                "/mnt/share/in/a b#1.csv",
                "/mnt/share/in/deep/c.csv",
            ]
            entry = files.entry("/mnt/share/in/a b#1.csv")
            assert entry is not None
            assert (entry.name, entry.size) == ("a b#1.csv", 5)
            with files.opened(entry) as file:
                assert file.read() == b"id\n1\n"
            assert entry in list(files.entries("/mnt/share/in"))

    def test_what_is_not_there_is_told_by_our_path(self, place):
        with mounted_files(place.mount, place.reach) as files:
            assert files.entry("/mnt/share/none.csv") is None
            gone = Entry("/mnt/share/in/none.csv", 5, "x")
            with pytest.raises(SourceError) as refused, files.opened(gone) as file:
                file.read()
        assert "/data/in" not in str(refused.value)

    def test_the_mount_itself_is_a_folder(self, place):
        with mounted_files(place.mount, place.reach) as files:
            found = files.entry("/mnt/share")
            assert found is not None
            assert found.is_folder


def test_a_file_of_a_bucket_has_one_mark_where_the_server_lists_it_otherwise(tmp_path):
    put = _into(tmp_path)
    put("lake/data/in/a.csv", "id\n1\n")
    with shares.s3_of_a_folder(tmp_path) as server:
        assert not server.client().list_objects_v2(Bucket="lake")["Contents"][0]["ETag"].startswith('"')
        login = {"access_key_id": server.key, "secret_access_key": server.secret, "endpoint": server.endpoint}
        with mounted_files(mount("s3://lake/data", **login), Reach((tmp_path,), HERE)) as files:
            [listed] = found_by(files, "/mnt/share/in/*.csv")
            assert files.entry("/mnt/share/in/a.csv") == listed
            with files.opened(listed) as file:
                assert file.read() == b"id\n1\n"


@pytest.mark.parametrize("kind", ["sftp", "local"])
def test_thousands_of_files_are_listed(served, kind):
    place = served(kind)
    for number in range(2000):
        place.put(f"data/many/{number:04}.csv", "id\n")
    with mounted_files(place.mount, place.reach) as files:
        assert sum(1 for _ in files.entries("/mnt/share/many")) == 2000
        assert len(found_by(files, "/mnt/share/many/1*.csv")) == 1000


@pytest.mark.parametrize(("kind", "tells"), [("sftp", True), ("smb", True), ("local", True), ("s3", False)])
def test_a_look_tells_the_room(served, kind, tells):
    place = served(kind)
    place.put("data/x.csv", "id\n")
    free = look_at(place.mount, place.reach).free_bytes
    assert (free is not None and free > 0) is tells


class _Cloud(BaseHTTPRequestHandler):
    """A folder of a WebDAV server that tells its quota, and one that does not."""

    def do_PROPFIND(self) -> None:
        asked = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        quota = b"quota-available-bytes" in asked and not self.path.startswith("/silent")
        told = b"<d:quota-available-bytes>5368709120</d:quota-available-bytes>" if quota else b""
        body = (
            b'<d:multistatus xmlns:d="DAV:"><d:response><d:href>'
            + self.path.encode()
            + b"</d:href><d:propstat><d:prop>"
            b"<d:resourcetype><d:collection/></d:resourcetype>"
            + told
            + b"</d:prop><d:status>HTTP/1.1 200 OK</d:status>"
            b"</d:propstat></d:response></d:multistatus>"
        )
        self.send_response(207)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_given: object) -> None:
        """Nothing."""


@pytest.mark.parametrize(("path", "free"), [("dav", 5 * 1024**3), ("silent", None)])
def test_a_cloud_tells_its_quota_where_it_has_one(path, free):
    with ThreadingHTTPServer(("127.0.0.1", 0), _Cloud) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        asked = mount(f"webdav://127.0.0.1:{server.server_port}/{path}")
        assert look_at(asked, Reach((), HERE)).free_bytes == free
        server.shutdown()


def test_a_host_that_is_not_listed_is_not_asked(served):
    place = served("sftp")
    with pytest.raises(Invalid, match="is not among the hosts"):
        look_at(place.mount, Reach((), ("files.example.org",)))
    unlisted = Reach((), ())
    with (
        pytest.raises(SourceError, match="The mount at /mnt/share cannot be opened"),
        mounted_files(place.mount, unlisted),
    ):
        pass


TABLE = """\
22 1 0:21 / /proc rw,nosuid - proc proc rw
36 22 0:33 / /mnt/nfs\\040share rw,relatime shared:1 - nfs4 nas:/export/in rw,vers=4.2
37 22 0:34 / /mnt/win rw - cifs //Files/Data rw
38 22 0:35 / /mnt/cloud rw - fuse.rclone lake:raw rw
39 22 0:36 / /mnt/hidden rw - nfs nas:/a rw
40 22 0:37 / /mnt/hidden rw - tmpfs tmpfs rw
damaged line
"""


class TestWhatTheSystemHasMounted:
    def test_is_known_by_its_folder(self):
        assert kernel_mount("/mnt/nfs share", TABLE) == KernelMount("/mnt/nfs share", "nfs4", "nas:/export/in")
        assert kernel_mount("/mnt/cloud", TABLE) == KernelMount("/mnt/cloud", "fuse.rclone", "lake:raw")

    @pytest.mark.parametrize("path", ["/proc", "/mnt/hidden", "/mnt/nfs share/in", "/mnt"])
    def test_nothing_of_the_machine_itself_counts(self, path):
        assert kernel_mount(path, TABLE) is None

    @pytest.fixture
    def nas(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[KernelMount]]:
        """A folder that stands for what a system has mounted from a NAS; the list is what there is of it."""
        there = [KernelMount(str(tmp_path), "nfs4", "nas:/export/in")]
        found = lambda path: next((each for each in there if each.path == path), None)  # noqa: E731
        for module in (opening, __import__("dataops_defs.adapters.storage.mounts.way", fromlist=["way"])):
            monkeypatch.setattr(module, "kernel_mount", found)
        return there

    def test_it_is_used_as_a_folder(self, nas, tmp_path):
        (tmp_path / "a.csv").write_text("id\n1\n")
        place = network_place("nas:/export/in/")
        assert way_to(str(tmp_path), place, ()) is Via.KERNEL
        asked = Mount("1", str(tmp_path), place, Via.KERNEL)
        assert (look_at(asked, Reach(())).free_bytes or 0) > 0
        with mounted_files(asked, Reach(())) as files:
            assert [each.path for each in files.entries(str(tmp_path))] == [f"{tmp_path}/a.csv"]

    def test_something_else_there_is_not_what_was_asked_for(self, nas, tmp_path):
        with pytest.raises(Invalid, match="has mounted something else"):
            way_to(str(tmp_path), network_place("nas:/other"), ())

    def test_an_empty_folder_is_not_a_share_without_files(self, nas, tmp_path):
        """When the mount is gone its folder is there, and empty: nothing may take its files for deleted."""
        nas.clear()
        asked = Mount("1", str(tmp_path), network_place("nas:/export/in"), Via.KERNEL)
        with pytest.raises(SourceUnavailable, match="no longer mounted"), mounted_files(asked, Reach(())):
            pass


class TestTheWay:
    def test_nfs_takes_the_systems_own_mount(self, tmp_path):
        with pytest.raises(Invalid, match=r"Have an administrator mount nas:/x at /mnt/nas, then send this again"):
            way_to("/mnt/nas", network_place("nas:/x"), (tmp_path,))

    def test_nfs_below_a_root_is_a_folder(self, tmp_path):
        (tmp_path / "nas").mkdir()
        assert way_to(f"{tmp_path}/nas", network_place("nas:/x"), (tmp_path,)) is Via.FOLDER

    def test_local_files_are_not_hidden(self, tmp_path):
        for path in (f"{tmp_path}/in", str(tmp_path), str(tmp_path.parent)):
            with pytest.raises(Invalid, match="lies above or below a folder of local files"):
                way_to(path, network_place("//files/x"), (tmp_path,))

    def test_a_local_folder_must_be_one_that_may_be_read(self, tmp_path):
        (tmp_path / "in").mkdir()
        assert way_to("/mnt/in", network_place(f"{tmp_path}/in"), (tmp_path,)) is Via.FOLDER
        for path in ("/etc", f"{tmp_path}/none"):
            with pytest.raises(Invalid) as refused:
                way_to("/mnt/in", network_place(path), (tmp_path,))
            assert refused.value.fields[0].field == "network_path"


def test_a_place_without_a_folder_of_its_own():
    """The root of a bucket, and of a server."""
    assert MountedFiles(None, "/mnt/x", "").within("/mnt/x/a/b.csv") == "a/b.csv"  # type: ignore[arg-type]
    assert MountedFiles(None, "/mnt/x", "/").within("/mnt/x") == "/"  # type: ignore[arg-type]
