"""The databases of a home, ready for use: bootstrapped, migrated, and described in ``stack.json``."""

from dataops_defs.adapters.warehouse import migrate as warehouse
from dataops_defs.catalogue import migrate as catalogue
from dataops_defs.services.bootstrap import bootstrap
from dataops_defs.services.embedded import EmbeddedPostgres
from dataops_defs.services.passwords import role_passwords
from dataops_defs.services.private_files import write_private_json
from dataops_defs.settings import BUILDER, OWNER, READER, Settings


def prepare_embedded(settings: Settings, postgres: EmbeddedPostgres) -> None:
    """Bring the running embedded server to what the platform needs, and say where it is."""
    bootstrap(settings, postgres.superuser_url)
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


def migrate(settings: Settings) -> None:
    """Bring the catalogue and the warehouse's own schema to the newest form."""
    catalogue.upgrade(settings.url("catalogue"))
    warehouse.upgrade(settings.url("warehouse"))
