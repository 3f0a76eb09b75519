"""One way to files: below a mount or below a root, by the path that a user writes."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dataops_defs.adapters.storage.files import found_by
from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.models import PipelineRow
from dataops_defs.catalogue.mount_rows import MountRow
from dataops_defs.catalogue.trigger_rows import TriggerRow
from dataops_defs.catalogue.watch_rows import WatchRow
from dataops_defs.domain.mount import MountStatus, Via, connection_of, network_place
from dataops_defs.domain.trigger import TriggerType
from dataops_defs.errors import Conflict, Invalid, SourceError, SourceUnavailable
from dataops_defs.flows.look_at_mounts import look_at_mounts
from dataops_defs.flows.places import check_place, open_place
from dataops_defs.flows.platform import Platform
from tests import shares
from tests.mount_scenes import FileServer, file_server
from tests.scenes import World


def mount(platform: Platform, local_path: str, network_path: str, via: Via = Via.CLIENT, **credentials: str) -> str:
    place = network_place(network_path)
    with platform.catalogue() as session:
        row = MountRow(
            id=new_id(),
            name=local_path,
            local_path=local_path,
            network_path=network_path,
            address=place.address,
            storage_type=place.type,
            via=via,
        )
        mounts = platform.mounts(session)
        mounts.connect_with(row, connection_of(place, credentials))
        return mounts.add(row).id


def state(platform: Platform, id: str) -> tuple[MountStatus, str | None]:
    with platform.catalogue() as session:
        row = platform.mounts(session).get(id)
        return row.status, row.last_error


@pytest.fixture
def away(tmp_path: Path) -> Iterator[FileServer]:
    (tmp_path / "served").mkdir()
    with file_server(tmp_path / "served") as made:
        yield made


@pytest.fixture
def share(world: World, away: FileServer) -> str:
    login = {"username": shares.USER, "password": shares.PASSWORD}
    return mount(world.platform, "/mnt/share", f"webdav://127.0.0.1:{away.port}", **login)


class TestAPath:
    def test_below_a_root_is_local(self, world):
        (world.files / "in").mkdir()
        (world.files / "in" / "a.csv").write_text("id\n1\n")
        for path in ("in/a.csv", f"{world.files}//in/./a.csv"):
            with open_place(world.platform, path) as place:
                entry = place.files.entry(place.path)
                assert entry is not None
                with place.files.opened(entry) as file:
                    assert file.read() == b"id\n1\n"

    def test_below_a_mount_is_there(self, world, share, away):
        away.put("in/a.csv", "id\n1\n")
        with open_place(world.platform, "/mnt/share//in/./a.csv") as place:
            assert place.path == "/mnt/share/in/a.csv"
            assert [each.path for each in found_by(place.files, "/mnt/share/**")] == ["/mnt/share/in/a.csv"]

    @pytest.mark.parametrize("path", ["/mnt/share/../x", "/mnt/sharex/a", "/mnt", "/etc/passwd", "/mnt/share/\x00"])
    def test_elsewhere_is_refused_by_the_field(self, world, share, path):
        with pytest.raises(Invalid) as refused, open_place(world.platform, path, field="folder_path"):
            pass
        assert refused.value.fields[0].field == "folder_path"
        with world.platform.catalogue() as session, pytest.raises(Invalid):
            check_place(world.platform, session, path)

    def test_is_checked_without_a_connection(self, world, share, away):
        away.stop()
        with world.platform.catalogue() as session:
            check_place(world.platform, session, "/mnt/share/anything")

    def test_of_a_dead_server_is_no_empty_folder(self, world, share, away):
        away.put("a.csv", "id\n1\n")
        with open_place(world.platform, "/mnt/share") as place:
            assert len(list(place.files.entries(place.path))) == 1
            away.stop()
            with pytest.raises(SourceUnavailable):
                list(place.files.entries(place.path))
        away.start()
        with open_place(world.platform, "/mnt/share") as place:
            assert len(list(place.files.entries(place.path))) == 1

    def test_of_a_host_that_may_be_reached_no_more(self, world, share, monkeypatch):
        monkeypatch.setattr(type(world.platform.settings), "hosts", frozenset({"files.example.org"}))
        with pytest.raises(SourceError, match="cannot be opened"), open_place(world.platform, "/mnt/share/a.csv"):
            pass


class TestALook:
    def test_at_a_server_that_goes_and_comes_back(self, world, share, away):
        [seen] = look_at_mounts(world.platform)
        assert (seen.error, seen.changed) == (None, None)
        away.stop()
        [seen] = look_at_mounts(world.platform)
        assert seen.changed is MountStatus.DEGRADED
        assert state(world.platform, share) == (
            MountStatus.DEGRADED,
            f"webdav://127.0.0.1:{away.port} cannot be reached, or broke off",
        )
        [again] = look_at_mounts(world.platform)
        assert again.changed is None
        away.start()
        [seen] = look_at_mounts(world.platform)
        assert seen.changed is MountStatus.MOUNTED
        assert state(world.platform, share) == (MountStatus.MOUNTED, None)

    def test_is_ended_where_a_server_keeps_silent(self, world, share):
        """One that answers nothing holds up neither the look nor the other mounts."""
        silent = threading.Event()

        class Silent(BaseHTTPRequestHandler):
            def do_PROPFIND(self) -> None:
                silent.wait(30)

            def log_message(self, *_given: Any) -> None:
                """Nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Silent) as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
            mount(world.platform, "/mnt/silent", f"webdav://127.0.0.1:{server.server_port}")
            seen = {each.local_path: each.error for each in look_at_mounts(world.platform, seconds=1)}
            silent.set()
            server.shutdown()
        assert seen["/mnt/share"] is None
        assert seen["/mnt/silent"] == "it did not answer in time"

    def test_that_finds_the_folder_gone(self, world):
        folder = world.files / "in"
        folder.mkdir()
        id = mount(world.platform, "/mnt/in", str(folder), Via.FOLDER)
        assert [each.error for each in look_at_mounts(world.platform)] == [None]
        folder.rmdir()
        look_at_mounts(world.platform)
        status, reason = state(world.platform, id)
        assert status is MountStatus.DEGRADED
        assert reason == "no such file: /mnt/in"


def test_a_mount_that_is_read_from_is_not_taken_away(world, share):
    with world.platform.catalogue() as session:
        session.add(WatchRow(name="Inbox", slug="inbox", folder="/mnt/share/in", patterns=[], enabled=True))
        session.add(WatchRow(name="Other", slug="other", folder="/mnt/shared", patterns=[], enabled=True))
        graph = PipelineRow(id=new_id(), name="Graph", slug="graph", nodes=[], edges=[])
        session.add(graph)
        session.flush()
        by_file = {"type": TriggerType.FILE, "file": {"folder_path": "/mnt/share//done"}}
        session.add(TriggerRow(name="Arrival", slug="arrival", graph_id=graph.id, **by_file))
        session.add(TriggerRow(name="By hand", slug="by_hand", graph_id=graph.id, type=TriggerType.MANUAL))
        mounts = world.platform.mounts(session)
        with pytest.raises(Conflict, match=r"is used by watch 'Inbox', trigger 'Arrival'; delete these first"):
            mounts.remove(mounts.get(share))
        session.rollback()
