"""The databases of a home, ready for use: bootstrapped, migrated, and described in ``stack.json``."""

from typing import Any

import psycopg2

from dataops_defs.adapters.warehouse import migrate as warehouse
from dataops_defs.catalogue import migrate as catalogue
from dataops_defs.errors import DependencyUnavailable
from dataops_defs.services.bootstrap import bootstrap, close_to_others
from dataops_defs.services.embedded import EmbeddedPostgres
from dataops_defs.services.passwords import role_passwords
from dataops_defs.services.private_files import read_json, write_private_json
from dataops_defs.settings import BUILDER, OWNER, READER, Settings

NAMES = ("catalogue", "warehouse", "instance", "builder", "reader")


def prepare_embedded(settings: Settings, postgres: EmbeddedPostgres) -> None:
    """Bring the running embedded server to what the platform needs, and say where it is."""
    bootstrap(settings, postgres.superuser_url)
    close_to_others(postgres.superuser_url)
    passwords = role_passwords(settings)

    def url(role: str, database: str) -> str:
        return postgres.url(role, passwords[role], database)

    stack = {
        "catalogue": url(OWNER, "catalogue"),
        "warehouse": url(OWNER, "warehouse"),
        "instance": url(OWNER, "dagster"),
        "builder": url(BUILDER, "warehouse"),
        "reader": url(READER, "warehouse"),
        "superuser": postgres.superuser_url,
    }
    catalogue.upgrade(stack["catalogue"])
    warehouse.upgrade(stack["warehouse"])
    write_private_json(settings.stack_file, stack)


def prepare_given(settings: Settings) -> None:
    """The same on a server named by the settings; roles and databases are made where its user may do that.

    Raises:
        DependencyUnavailable: the server does not answer, or lacks them and its user may not make them.
    """
    if settings.database_url is not None:
        role_passwords(settings)
        if not all(_answers(settings.url(name)) for name in NAMES):
            _bootstrap_given(settings)
    migrate(settings)
    write_private_json(settings.stack_file, {name: settings.url(name) for name in NAMES})


def add_to_stack(settings: Settings, **more: str) -> None:
    """Note more about the running stack, such as its addresses."""
    stack: dict[str, Any] = read_json(settings.stack_file)
    write_private_json(settings.stack_file, stack | more)


def migrate(settings: Settings) -> None:
    """Bring the catalogue and the warehouse's own schema to the newest form.

    Raises:
        DependencyUnavailable: a database does not answer.
    """
    for name, upgrade in (("catalogue", catalogue.upgrade), ("warehouse", warehouse.upgrade)):
        url = settings.url(name)
        if not _answers(url):
            raise DependencyUnavailable(f"The {name} database does not answer, or refuses the user of its URL")
        upgrade(url)


def _bootstrap_given(settings: Settings) -> None:
    try:
        bootstrap(settings, settings.url("superuser"))
    except psycopg2.Error as error:
        reason = str(error).strip().splitlines()[0]
        if isinstance(error, psycopg2.OperationalError) and "permission denied" not in reason:
            raise DependencyUnavailable(f"The server of DATAOPS_DATABASE_URL does not answer: {reason}") from None
        raise DependencyUnavailable(
            "The server of DATAOPS_DATABASE_URL lacks databases or roles of the platform, and its user may not make "
            "them: have an administrator run the output of 'dataops db bootstrap' there once"
        ) from None


def _answers(url: str) -> bool:
    try:
        psycopg2.connect(url.replace("+psycopg2", "", 1), connect_timeout=10).close()
    except psycopg2.OperationalError:
        return False
    return True
