"""The store of an object type, as runs write it and as others read it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.adapters.objects.reading import ObjectStore
from dataops_defs.adapters.objects.sink import ObjectSink
from dataops_defs.adapters.objects.table import TableSink
from dataops_defs.adapters.objects.table_reading import TableStore
from dataops_defs.adapters.warehouse.books import Entry
from dataops_defs.catalogue.object_types import ObjectTypes
from dataops_defs.domain.object_type import DYNAMODB, ObjectType, table_of
from dataops_defs.errors import Conflict, Invalid
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.work import Work

if TYPE_CHECKING:
    from dataops_defs.adapters.objects.dynamodb.table import DynamoTable


def open_sink(
    work: Work, connection: Connection, entry: Entry, kind: ObjectType, properties: Sequence[str]
) -> ObjectSink:
    """The sink of a type's objects; whoever else writes them waits for the end of the transaction.

    Args:
        connection: of the transaction that the step's ledger is entered in.
        properties: those that will be staged, with the key.
    Raises:
        Conflict: the type has got another schema since the run read it.
    """
    sink = _sink(work, connection, entry, kind, properties)
    with work.platform.catalogue() as session:
        found = ObjectTypes(session).find(kind.id)
    if found is None or (found.schema, found.key_field) != (kind.schema, kind.key_field):
        raise Conflict(f"Object type '{kind.name}' was changed while this run began; run it again")
    return sink


def _sink(work: Work, connection: Connection, entry: Entry, kind: ObjectType, properties: Sequence[str]) -> ObjectSink:
    if kind.dynamodb_table is None:
        return TableSink(connection, kind, properties)
    from dataops_defs.adapters.objects.dynamodb.sink import DynamoSink

    table = _dynamo_table(work.platform, kind, kind.dynamodb_table)
    return DynamoSink(connection, kind, properties, table, entry, lambda: work.warehouse("dataops objects plan"))


@contextmanager
def reading_objects(platform: Platform, kind: ObjectType) -> Iterator[ObjectStore]:
    """The objects of a type, for one who may only read."""
    if kind.dynamodb_table is not None:
        yield _dynamo_store(platform, kind, kind.dynamodb_table)
        return
    with platform.warehouse("dataops objects", "reader") as connection:
        yield store_of(platform, connection, kind)


def store_of(platform: Platform, connection: Connection, kind: ObjectType) -> ObjectStore:
    """The objects of a type; those in PostgreSQL on this connection."""
    if kind.dynamodb_table is None:
        return TableStore(connection, kind)
    return _dynamo_store(platform, kind, kind.dynamodb_table)


def _dynamo_store(platform: Platform, kind: ObjectType, name: str) -> ObjectStore:
    from dataops_defs.adapters.objects.dynamodb.reading import DynamoStore

    return DynamoStore(_dynamo_table(platform, kind, name), kind)


def _dynamo_table(platform: Platform, kind: ObjectType, name: str) -> "DynamoTable":
    check_store(platform, kind.store)
    # boto3 takes a third of a second to import: only those who use it pay.
    from dataops_defs.adapters.objects.dynamodb.table import DynamoTable

    key_type = "N" if table_of(kind).columns[kind.key_field] == "bigint" else "S"
    return DynamoTable(name, kind.key_field, key_type, platform.settings.dynamodb_endpoint)


def check_store(platform: Platform, store: str) -> None:
    """Refuse a DynamoDB table that the settings do not allow.

    Raises:
        Invalid: it is not on the list.
    """
    allowed = [each.strip() for each in platform.settings.dynamodb_tables.split(",") if each.strip()]
    name = store.removeprefix(DYNAMODB)
    if store.startswith(DYNAMODB) and not any(fnmatchcase(name, each) for each in allowed):
        raise Invalid.field("store", f"table '{name}' is not allowed here: an administrator lists it in the settings")
