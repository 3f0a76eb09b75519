"""Roles, databases and schemas of the platform on a PostgreSQL server: one list of steps, run by us on the embedded
server, printed by ``dataops db bootstrap`` for an administrator elsewhere. Run again it changes nothing.

The owner owns everything but the datamarts; the builder owns the datamart schemas and nothing else; the reader may
SELECT in the warehouse. Neither of the two sees the catalogue, Dagster's storage or the schema ``dataops``.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.services.passwords import role_passwords, scram_verifier
from dataops_defs.settings import BUILDER, DATABASES, OWNER, READER, Settings

OWNED_SCHEMAS = ("raw", "content", "objects", "dataops")
MART_SCHEMAS = ("analytics",)
READ_SCHEMAS = ("public", "raw", "content", "objects", *MART_SCHEMAS)
# Functions that read or write outside of tables, wait, lock or talk: a user's query never needs them.
FORBIDDEN_FUNCTIONS = (
    "lo_|loread|lowrite|dblink|pg_sleep|pg_advisory|pg_try_advisory|pg_notify|pg_read_|pg_ls_|pg_stat_file"
    "|query_to_xml|cursor_to_xml|table_to_xml|schema_to_xml|database_to_xml|pg_logical|pg_switch|pg_create|pg_drop"
    "|pg_terminate|pg_cancel|pg_reload|pg_rotate"
)

WITHOUT_FORBIDDEN_FUNCTIONS = """\
DO $do$ DECLARE each record; BEGIN
  FOR each IN SELECT p.oid::regprocedure AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname IN ('pg_catalog', 'public') AND p.prokind = 'f' AND p.proname ~ '^(PATTERN)'
  LOOP
    BEGIN
      EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO OWNER', each.name);
      EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', each.name);
    EXCEPTION WHEN insufficient_privilege THEN NULL;
    END;
  END LOOP;
END $do$"""


@dataclass(frozen=True)
class Step:
    """A statement, the database it belongs in ('' is any), and whether its rows are statements to run in turn."""

    sql: str
    database: str = ""
    generates: bool = False


def bootstrap(settings: Settings, superuser_url: str) -> None:
    """Make roles, databases and schemas on the server of that URL.

    Args:
        superuser_url: URL of any database, as a role that may create roles and databases.
    Raises:
        psycopg2.errors.InsufficientPrivilege: the role may not.
    """
    connections: dict[str, Connection] = {}
    try:
        for step in steps(settings):  # the connection of a database is opened once the database is there
            if step.database not in connections:
                connections[step.database] = _connect(superuser_url, step.database)
            _run(connections[step.database], step)
    finally:
        for connection in connections.values():
            connection.close()


def close_to_others(superuser_url: str) -> None:
    """Keep the platform's roles out of the server's own database; for a server that is ours alone."""
    with closing(_connect(superuser_url, "")) as connection:
        _run(connection, Step("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC"))


def script(settings: Settings) -> str:
    """The same as a text for ``psql``."""
    parts = ["-- Run once as an administrator: psql -d postgres -v ON_ERROR_STOP=1 -f this-file"]
    database = ""
    for step in steps(settings):
        if step.database != database:
            database = step.database
            parts.append(f"\\connect {database}")
        parts.append(step.sql + (" \\gexec" if step.generates else ";"))
    return "\n".join(parts) + "\n"


def steps(settings: Settings) -> Iterator[Step]:
    """All steps in order; those of one database follow each other."""
    passwords = role_passwords(settings)
    given = urlsplit(settings.database_url.get_secret_value()) if settings.database_url else None
    owner = unquote(given.username) if given and given.username else OWNER
    if given is None:
        yield from _role(OWNER, passwords[OWNER])
        # Without this the owner's own name, which is also a schema, would be searched first.
        yield Step(f"ALTER ROLE {OWNER} SET search_path = public")
    yield from _role(READER, passwords[READER])
    yield from _role(BUILDER, passwords[BUILDER])
    quoted = _quoted(owner)
    yield from _limits(quoted)
    for name in DATABASES:
        missing = f"NOT EXISTS (SELECT FROM pg_database WHERE datname = '{name}')"
        create = f"CREATE DATABASE {name} OWNER {quoted} TEMPLATE template0 ENCODING ''UTF8''"
        yield Step(f"SELECT '{create}' WHERE {missing}", generates=True)
        yield Step(f"REVOKE CONNECT, TEMPORARY ON DATABASE {name} FROM PUBLIC")
    # REFRESH MATERIALIZED VIEW CONCURRENTLY works in a temporary table.
    yield Step(f"GRANT CONNECT, TEMPORARY ON DATABASE warehouse TO {BUILDER}")
    yield Step(f"GRANT CONNECT ON DATABASE warehouse TO {READER}")
    for sql in _schemas(quoted):
        yield Step(sql, "warehouse")
    yield Step(_without_forbidden_functions(quoted), "warehouse")


def _role(role: str, password: str) -> Iterator[Step]:
    missing = f"NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}')"
    yield Step(f"SELECT 'CREATE ROLE {role} NOCREATEDB NOCREATEROLE' WHERE {missing}", generates=True)
    yield Step(f"ALTER ROLE {role} LOGIN PASSWORD '{scram_verifier(password)}'")


def _limits(owner: str) -> Iterator[Step]:
    """Memberships and settings of the roles."""
    # The owner makes, drops and cancels for the other two; a role is no member of itself.
    yield Step(f"GRANT {BUILDER}, {READER} TO {owner}")
    yield Step(f"ALTER ROLE {READER} SET default_transaction_read_only = on")
    yield Step(f"ALTER ROLE {READER} SET statement_timeout = '60s'")
    yield Step(f"ALTER ROLE {READER} SET lock_timeout = '10s'")
    yield Step(f"ALTER ROLE {READER} SET idle_in_transaction_session_timeout = '60s'")
    yield Step(f"ALTER ROLE {READER} SET work_mem = '16MB'")
    yield Step(_if_allowed(f"ALTER ROLE {READER} SET temp_file_limit = ''1GB''"))
    yield Step(_if_allowed(f"ALTER ROLE {BUILDER} SET temp_file_limit = ''10GB''"))


def _schemas(owner: str) -> Iterator[str]:
    """Schemas of the warehouse and who may do what in them, now and with tables made later."""
    yield "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    yield f"GRANT ALL ON SCHEMA public TO {owner}"
    for schema in OWNED_SCHEMAS:
        yield f"CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner}"
    for schema in MART_SCHEMAS:
        yield f"CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {BUILDER}"
    for schema in READ_SCHEMAS:
        yield f"GRANT USAGE ON SCHEMA {schema} TO {READER}, {BUILDER}, {owner}"
        yield f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {READER}, {BUILDER}"
        for maker in (owner, BUILDER):
            defaults = f"ALTER DEFAULT PRIVILEGES FOR ROLE {maker} IN SCHEMA {schema}"
            yield f"{defaults} GRANT SELECT ON TABLES TO {READER}, {BUILDER}"


def _if_allowed(sql: str) -> str:
    """The statement (its quotes doubled), left out with a notice where only a superuser may run it."""
    return (
        f"DO $do$ BEGIN EXECUTE '{sql}'; EXCEPTION WHEN insufficient_privilege THEN"
        " RAISE WARNING 'left out, as only a superuser may set it'; END $do$"
    )


def _without_forbidden_functions(owner: str) -> str:
    """Only the owner keeps the functions that no query of a user needs; on others' servers only as far as allowed."""
    return WITHOUT_FORBIDDEN_FUNCTIONS.replace("OWNER", owner).replace("PATTERN", FORBIDDEN_FUNCTIONS)


def _quoted(role: str) -> str:
    return '"' + role.replace('"', '""').replace("'", "''") + '"'


def _run(connection: Connection, step: Step) -> None:
    with connection.cursor() as cursor:
        cursor.execute(step.sql)
        if step.generates:
            for (statement,) in cursor.fetchall():
                cursor.execute(statement)


def _connect(url: str, database: str) -> Connection:
    parts = urlsplit(url)._replace(scheme="postgresql")
    connection = psycopg2.connect(
        urlunsplit(parts._replace(path=f"/{database}") if database else parts), connect_timeout=10
    )
    connection.autocommit = True
    return connection
