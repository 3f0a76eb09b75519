"""One PostgreSQL with migrated databases, of which each test is lent its own."""

import itertools
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
from psycopg2.errors import InvalidCatalogName, ObjectInUse
from psycopg2.extensions import cursor

from dataops_defs.adapters.warehouse import migrate as warehouse_migrate
from dataops_defs.catalogue import migrate as catalogue_migrate
from dataops_defs.services.bootstrap import bootstrap, close_to_others
from dataops_defs.services.embedded import EmbeddedPostgres
from dataops_defs.services.passwords import SUPERUSER, role_passwords
from dataops_defs.settings import BUILDER, OWNER, READER, Settings

TEMPLATES = ("catalogue", "warehouse")
NUMBERS = itertools.count(1)
END_SESSIONS = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{}'"
VERSION = "alembic_version"
# What was written since it was copied, to the system catalogues of this database alone or to its version.
CHANGED = f"""
    SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_all_tables s JOIN pg_class c ON c.oid = s.relid
    WHERE s.schemaname = 'pg_catalog' AND NOT c.relisshared OR s.relname = '{VERSION}'"""
TABLES = f"SELECT format('%I.%I', schemaname, relname) FROM pg_stat_user_tables WHERE relname <> '{VERSION}'"
RESTART = "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false) FROM pg_sequences"


class Server:
    """The test server: bootstrapped once; databases are copied from its migrated ones."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.postgres = EmbeddedPostgres(settings, no_fsync=True)
        self.postgres.start()
        bootstrap(settings, self.postgres.superuser_url)
        close_to_others(self.postgres.superuser_url)
        passwords = role_passwords(settings)
        self._owner = passwords[OWNER]
        self._logins = {"reader": (READER, passwords[READER]), "builder": (BUILDER, passwords[BUILDER])}
        self._spare: dict[str, list[str]] = {each: [] for each in TEMPLATES}
        catalogue_migrate.upgrade(self.url("catalogue"))
        warehouse_migrate.upgrade(self.url("warehouse"))

    def url(self, name: str, role: str = "owner") -> str:
        login, password = self._logins.get(role, (OWNER, self._owner))
        return self.postgres.url(login, password, name)

    def execute(self, *statements: str) -> None:
        with self._superuser() as superuser:
            for statement in statements:
                superuser.execute(statement)

    def copy(self, template: str, name: str) -> str:
        """A copy; what may be done inside comes with it, who may enter does not."""
        self.execute(
            f"CREATE DATABASE {name} TEMPLATE {template} OWNER {OWNER} STRATEGY file_copy",
            f"REVOKE CONNECT, TEMPORARY ON DATABASE {name} FROM PUBLIC",
        )
        if template == "warehouse":
            self.execute(
                f"GRANT CONNECT, TEMPORARY ON DATABASE {name} TO {BUILDER}",
                f"GRANT CONNECT ON DATABASE {name} TO {READER}",
            )
        return self.url(name)

    def lend(self, template: str) -> str:
        """The name of a database that is as its template, to be given back; nobody had one of that name before."""
        name = f"test_{template}_{next(NUMBERS)}"
        if self._spare[template]:
            self.execute(f"ALTER DATABASE {self._spare[template].pop()} RENAME TO {name}")
        else:
            self.copy(template, name)
        return name

    def take_back(self, template: str, name: str) -> None:
        """Keep a database for the next who asks, without its rows; drop one that may differ in more."""
        spare = f"spare_{name}"
        try:
            # Who still knows the name, as a thread that outlives its test, does not find what is lent next.
            self.execute(END_SESSIONS.format(name), f"ALTER DATABASE {name} RENAME TO {spare}")
        except (ObjectInUse, InvalidCatalogName):
            return  # somebody is still in it, or the test has dropped it
        if self._emptied(spare):
            self._spare[template].append(spare)
        else:
            self.execute(f"DROP DATABASE {spare} WITH (FORCE)")

    def _emptied(self, name: str) -> bool:
        """Whether nobody changed more than rows; these are then gone."""
        with self._superuser(name) as superuser:
            superuser.execute(CHANGED)
            if superuser.fetchone() != (0,):
                return False
            superuser.execute(TABLES)
            tables = [table for (table,) in superuser.fetchall()]
            superuser.execute("SET session_replication_role = replica")  # neither foreign keys nor triggers
            superuser.execute(";".join(f"DELETE FROM {table}" for table in tables))
            superuser.execute(RESTART)
        return True

    @contextmanager
    def _superuser(self, database: str = "postgres") -> Iterator[cursor]:
        url = self.postgres.url(SUPERUSER, self.postgres.password, database).replace("+psycopg2", "")
        with closing(psycopg2.connect(url)) as connection:
            connection.autocommit = True
            with connection.cursor() as made:
                yield made
