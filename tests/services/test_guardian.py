"""The database that comes up for a Dagster process by itself, and goes with the last one."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataops_defs.errors import DependencyUnavailable
from dataops_defs.services.guardian import ensure_database
from dataops_defs.services.lock import home_lock, is_held
from dataops_defs.services.processes import wait_until
from dataops_defs.settings import Settings
from tests.services.test_bootstrap import ask

USER = """
import sys
from dataops_defs.services.guardian import ensure_database
from dataops_defs.settings import settings
ensure_database(settings())
print(settings().url("catalogue"), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "home"


class User:
    """A process that needs the database, until it is told or made to go."""

    def __init__(self, home: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DATAOPS_")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER],
            env=kept | {"DATAOPS_HOME": str(home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = self.process.stdout.readline().strip()

    def ask(self) -> list[tuple[object, ...]]:
        return ask(self.url, "SELECT count(*) > 0 FROM alembic_version")

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


class TestADagsterProcessWithNothingRunning:
    def test_the_database_comes_with_the_first_and_goes_with_the_last(self, home: Path) -> None:
        first = User(home)
        second = User(home)
        try:
            assert first.ask() == [(True,)]
            assert second.url == first.url
            with pytest.raises(Exception, match=rf"{first.process.pid}"), home_lock(home):
                pass
            first.end()
            assert wait_until(lambda: str(first.process.pid) not in (home / "lock").read_text(), 10)

            assert second.ask() == [(True,)]
        finally:
            first.end()
            second.end()
        assert wait_until(lambda: not is_held(home), 20)
        assert not (home / "stack.json").exists()
        assert not list((home / "run").glob("*.pid"))


class TestAServerThatCannotStart:
    def test_the_reason_is_given_and_nothing_is_waited_for(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DATAOPS_POSTGRES_BIN", "/nowhere")

        with pytest.raises(DependencyUnavailable, match="DATAOPS_POSTGRES_BIN"):
            ensure_database(Settings(home=home))
