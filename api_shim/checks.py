"""Checks that name the request's field: queries, transforms, schedules, references to other definitions."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy.orm import Session

from api_shim.shim import Shim
from dataops_defs.adapters.javascript.engine import JavaScriptEngine
from dataops_defs.adapters.sources.csv.dialect import named_encoding
from dataops_defs.adapters.sql.dialects import check_source_query
from dataops_defs.adapters.storage.remote.address import RemoteAddress
from dataops_defs.adapters.storage.remote.host_key import HostKey
from dataops_defs.catalogue.definitions import Definition, Definitions
from dataops_defs.domain.mapping import PropertyMapping
from dataops_defs.domain.source import SourceType, check_connection
from dataops_defs.domain.transform import Transform
from dataops_defs.errors import FieldProblem, Invalid, NotFound
from dataops_defs.flows.places import check_place
from dataops_defs.settings import Settings


@contextmanager
def naming(field: str) -> Iterator[None]:
    """Whatever is wrong inside is wrong with this field."""
    try:
        yield
    except Invalid as error:
        said = error.fields[0].message if error.fields else str(error)
        raise type(error)(f"{field}: {said}", [FieldProblem(field, said)]) from None


def query_that_reads(settings: Settings, kind: SourceType, query: str, field: str) -> None:
    """Refuse a query that does more than read on a source of that kind."""
    with naming(field):
        check_source_query(kind, query, allowed_functions=settings.allowed_functions)


def transforms_that_compile(mappings: Mapping[str, PropertyMapping]) -> None:
    """Refuse transforms that do not compile; each is named ``mappings.<property>.transform``."""
    wanted = [Transform(name, each.source_column, each.transform) for name, each in mappings.items() if each.transform]
    if not wanted:
        return
    try:
        with JavaScriptEngine(wanted):
            pass
    except Invalid as error:
        problems = [FieldProblem(f"mappings.{each.field}.transform", each.message) for each in error.fields]
        first = problems[0]
        raise type(error)(f"{first.field}: {first.message}", problems) from None


def referred(repository: Definitions[Definition], id: str, field: str) -> Definition:
    """The definition that a request's body refers to by id; Invalid names the field when there is none."""
    found = repository.find(id)
    if found is None:
        raise Invalid.field(field, f"there is no {repository.noun} '{id[:80]}'")
    return found


def connection_in_order(shim: Shim, session: Session, kind: SourceType, connection: Mapping[str, Any]) -> None:
    """Refuse settings that no connection could be made with, files outside the roots and mounts among them."""
    check_connection(kind, connection)
    if "path" in connection and RemoteAddress.of(connection["path"]) is None:
        check_place(shim.platform, session, connection["path"], field="connection.path")
    if "hostKey" in connection:
        HostKey.of(connection["hostKey"])
    if "encoding" in connection:
        named_encoding(connection["encoding"])


@contextmanager
def not_found_is(field: str) -> Iterator[None]:
    """In a body, what does not exist is a wrong field."""
    try:
        yield
    except NotFound as error:
        raise Invalid.field(field, str(error)) from None


def merged(kept: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept, with what is given laid over it; null takes out."""
    return {name: value for name, value in {**kept, **given}.items() if value is not None}
