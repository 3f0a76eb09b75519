"""The ``dataops`` command."""

import shlex
import sys
from typing import Annotated

import typer
from pydantic import ValidationError

from dataops_defs.errors import DataOpsError, DependencyUnavailable
from dataops_defs.settings import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="DataOps on Dagster", pretty_exceptions_enable=False)
db = typer.Typer(no_args_is_help=True, help="The platform's databases")
keys = typer.Typer(no_args_is_help=True, help="The keys that wrap secrets")
app.add_typer(db, name="db")
app.add_typer(keys, name="keys")

ENV_NAMES = {
    "DATAOPS_API_URL": "api",
    "DATAOPS_UI_URL": "ui",
    "DATAOPS_WAREHOUSE_URL": "warehouse",
    "DATAOPS_CATALOGUE_URL": "catalogue",
    "DATAOPS_INSTANCE_URL": "instance",
}


@app.command()
def up(
    demo: Annotated[bool, typer.Option("--demo", help="Load the demo, run it and print its numbers")] = False,
    once: Annotated[bool, typer.Option("--once", help="Leave when the demo has printed its numbers")] = False,
) -> None:
    """Start everything and stay until Ctrl-C."""
    from dataops_defs.services.stack import Stack

    raise typer.Exit(Stack(Settings()).up(demo=demo, once=once))


@app.command()
def demo() -> None:
    """Load the demo into the running stack, run it and print its numbers."""
    from dataops_defs.demo.run import main as run_demo

    raise typer.Exit(run_demo(Settings()))


@app.command()
def launcher() -> None:
    """Keep a process warm that runs are forked from; 'dataops up' starts and watches one."""
    from dataops_defs.instance.warm.parent import WarmParent

    raise typer.Exit(WarmParent(Settings()).serve())


@app.command()
def env() -> None:
    """Print the addresses and database URLs of the running stack as shell assignments."""
    from dataops_defs.services.lock import is_held
    from dataops_defs.services.private_files import read_json

    settings = Settings()
    stack = read_json(settings.stack_file) if is_held(settings.home) else {}
    if not stack:
        raise DependencyUnavailable(f"Nothing runs in {settings.home}: start it with 'make up'")
    for variable, name in ENV_NAMES.items():
        if name in stack:
            typer.echo(f"{variable}={shlex.quote(stack[name].replace('+psycopg2', '', 1))}")


@db.command("bootstrap")
def db_bootstrap() -> None:
    """Print the SQL that an administrator runs once on the server that DATAOPS_DATABASE_URL names."""
    from dataops_defs.services.bootstrap import script

    typer.echo(script(Settings()), nl=False)


@db.command("migrate")
def db_migrate() -> None:
    """Bring the catalogue and the warehouse's own schema to the newest form."""
    from dataops_defs.services.databases import migrate

    migrate(Settings())


@keys.command("rotate")
def keys_rotate() -> None:
    """Wrap every secret with a new key and drop the old one."""
    from dataops_defs.catalogue.keys import rotate

    typer.echo(f"{rotate(Settings())} secrets are wrapped by a new key; the old key is gone")


def main() -> None:
    """Run the command; whatever a person can mend is one readable line."""
    try:
        app()
    except DataOpsError as error:
        _leave(str(error))
    except ValidationError as error:
        _leave("; ".join(_in_words(each["loc"], each["msg"]) for each in error.errors(include_input=False)))
    except PermissionError as error:
        _leave(f"{error.filename}: this user may not read or write it; it belongs to the user who made it")


def _in_words(where: tuple[int | str, ...], problem: str) -> str:
    """One wrong setting, by the name of its variable."""
    problem = problem.removeprefix("Value error, ")
    return f"DATAOPS_{str(where[0]).upper()}: {problem}" if where else problem


def _leave(line: str) -> None:
    typer.echo(line, err=True)
    sys.exit(1)
