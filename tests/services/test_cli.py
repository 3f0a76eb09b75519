"""The ``dataops`` command as a person types it."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dataops_defs.services.databases import add_to_stack
from dataops_defs.services.embedded import free_port
from dataops_defs.services.lock import home_lock
from dataops_defs.services.private_files import write_private_json
from dataops_defs.settings import Settings

COMMAND = str(Path(sys.executable).parent / "dataops")


def dataops(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DATAOPS_")}
    environment = kept | {"DATAOPS_HOME": str(home)} | variables
    return subprocess.run([COMMAND, *arguments], env=environment, capture_output=True, text=True, check=False)


def refusal(answer: subprocess.CompletedProcess[str]) -> str:
    """The one line of a command that left with status 1."""
    assert answer.returncode == 1
    assert len(answer.stderr.strip().splitlines()) == 1
    return answer.stderr.strip()


class TestUp:
    @pytest.mark.parametrize("variable", ["DATAOPS_API_PORT", "DATAOPS_DAGSTER_PORT"])
    def test_a_taken_port_is_named_with_the_variable_that_changes_it(self, tmp_path: Path, variable: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            free = {name: str(free_port()) for name in ("DATAOPS_API_PORT", "DATAOPS_DAGSTER_PORT")}
            line = refusal(dataops(tmp_path, "up", **(free | {variable: str(port)})))

        assert str(port) in line
        assert variable in line

    def test_a_second_start_in_one_home_names_the_first(self, tmp_path: Path) -> None:
        with home_lock(tmp_path):
            assert f"process {os.getpid()}" in refusal(dataops(tmp_path, "up"))

    def test_a_wrong_setting_is_named_without_its_value(self, tmp_path: Path) -> None:
        line = refusal(dataops(tmp_path, "up", DATAOPS_API_PORT="secret"))

        assert line.startswith("DATAOPS_API_PORT: ")
        assert "secret" not in line


class TestEnv:
    def test_nothing_running_is_said_in_one_line(self, tmp_path: Path) -> None:
        answer = dataops(tmp_path, "env")

        assert "make up" in refusal(answer)
        assert answer.stdout == ""

    def test_what_a_killed_stack_left_does_not_count(self, tmp_path: Path) -> None:
        write_private_json(tmp_path / "stack.json", {"catalogue": "postgresql+psycopg2://a:b@127.0.0.1/catalogue"})

        assert "Nothing runs" in refusal(dataops(tmp_path, "env"))

    def test_the_urls_survive_a_shell_and_suit_psql(self, tmp_path: Path) -> None:
        given = "postgresql+psycopg2://a:it's $HOME@127.0.0.1/"
        names = {"warehouse": "warehouse", "catalogue": "catalogue", "instance": "dagster"}
        write_private_json(tmp_path / "stack.json", {name: given + base for name, base in names.items()})
        add_to_stack(Settings(home=tmp_path), api="http://127.0.0.1:8000", ui="http://127.0.0.1:3000")
        with home_lock(tmp_path):
            printed = dataops(tmp_path, "env").stdout
        script = f'{printed}\nprintf "%s\\n" "$DATAOPS_API_URL" "$DATAOPS_UI_URL" "$DATAOPS_INSTANCE_URL"'
        echoed = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True).stdout

        assert echoed.splitlines() == [
            "http://127.0.0.1:8000",
            "http://127.0.0.1:3000",
            "postgresql://a:it's $HOME@127.0.0.1/dagster",
        ]


class TestDatabases:
    def test_bootstrap_prints_sql_for_an_administrator(self, tmp_path: Path) -> None:
        answer = dataops(tmp_path, "db", "bootstrap", DATAOPS_DATABASE_URL="postgresql://etl:pw@db.example/postgres")

        assert answer.returncode == 0
        assert 'OWNER "etl"' in answer.stdout
        assert "pw@" not in answer.stdout

    def test_migrating_without_a_database_says_what_to_do(self, tmp_path: Path) -> None:
        assert "make up" in refusal(dataops(tmp_path, "db", "migrate"))

    def test_a_database_that_does_not_answer_is_one_line(self, tmp_path: Path) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            url = f"postgresql://a:b@127.0.0.1:{closed.getsockname()[1]}/x"
            line = refusal(dataops(tmp_path, "db", "migrate", DATAOPS_DATABASE_URL=url))

        assert "does not answer" in line


class TestMake:
    def test_says_by_itself_and_as_help_what_each_target_is_for(self) -> None:
        root = Path(__file__).parents[2]
        targets = next(line for line in (root / "Makefile").read_text().splitlines() if line.startswith(".PHONY:"))

        told, bare = (
            subprocess.run(["make", "-C", str(root), *more], capture_output=True, text=True, check=True).stdout
            for more in (["help"], [])
        )

        assert told == bare
        for target in targets.split()[1:]:
            assert f"make {target} " in told
        assert "DATAOPS_API_PORT" in told
