"""The ``dataops`` command."""

import shlex
from typing import Annotated

import typer

from dataops_defs.errors import DataOpsError
from dataops_defs.settings import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="DataOps on Dagster", pretty_exceptions_enable=False)
db = typer.Typer(no_args_is_help=True, help="The platform's databases")
keys = typer.Typer(no_args_is_help=True, help="The keys that wrap secrets")
app.add_typer(db, name="db")
app.add_typer(keys, name="keys")

ENV_NAMES = {"WAREHOUSE": "warehouse", "CATALOGUE": "catalogue", "INSTANCE": "instance"}


@app.command()
def up(
    demo: Annotated[bool, typer.Option(help="Load the demo, run it and print its numbers")] = False,
    once: Annotated[bool, typer.Option(help="Leave when the demo has printed its numbers")] = False,
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
def env() -> None:
    """Print the addresses and database URLs of the running stack as shell assignments."""
    settings = Settings()
    values = {"DATAOPS_API_URL": settings.api_url, "DATAOPS_UI_URL": settings.dagster_url}
    for word, name in ENV_NAMES.items():
        values[f"DATAOPS_{word}_URL"] = settings.url(name).replace("+psycopg2", "", 1)
    for variable, value in values.items():
        typer.echo(f"{variable}={shlex.quote(value)}")


@db.command("bootstrap")
def db_bootstrap() -> None:
    """Print the SQL that an administrator runs once on a server that DATAOPS_DATABASE_URL names."""
    from dataops_defs.services.bootstrap import script

    typer.echo(script(Settings()))


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
    """Run the command; an error of the platform is one readable line."""
    try:
        app()
    except DataOpsError as error:
        typer.echo(str(error), err=True)
        raise SystemExit(1) from None
    except ValueError as error:
        typer.echo(f"A setting is wrong: {error}", err=True)
        raise SystemExit(1) from None
