"""What the repositories of named definitions share: get, list, add, rename, remove. The caller owns the transaction."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, func, inspect, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute, Session

from dataops_defs.catalogue.base import Named
from dataops_defs.domain.naming import slug
from dataops_defs.errors import Conflict, Duplicate, Invalid, NotFound

Definition = TypeVar("Definition", bound=Named)
MOST_NAMED = 20


def as_uuid(value: str) -> str | None:
    """The id in its usual form, or None when it is none (an ill-formed id is simply not found)."""
    try:
        return str(UUID(value))
    except ValueError:
        return None


def called(row: Named) -> str:
    """A definition as people call it: ``mapping 'Airlines to airline'``."""
    table = str(inspect(type(row)).local_table.name)
    return f"{table.replace('_', ' ').replace('etl', 'ETL')} '{row.name}'"


class Definitions(Generic[Definition]):
    """All reads and writes of one table of named definitions."""

    row: ClassVar[type[Any]]
    noun: ClassVar[str]

    def __init__(self, session: Session) -> None:
        self.session = session

    def get(self, id: str, *, lock: bool = False) -> Definition:
        """The row of that id.

        Raises:
            NotFound: no such row, or no id at all.
        """
        found = self.find(id, lock=lock)
        if found is None:
            raise NotFound(f"{self.noun.capitalize()} {id[:80]} not found")
        return found

    def find(self, id: str, *, lock: bool = False) -> Definition | None:
        """The row of that id, or None."""
        key = as_uuid(id)
        if key is None:
            return None
        query = select(self.row).where(self.row.id == key, *self._reachable())
        found: Definition | None = self.session.scalar(query.with_for_update() if lock else query)
        return found

    def by_slug(self, name: str) -> Definition | None:
        """The row of that slug, or None."""
        found: Definition | None = self.session.scalar(select(self.row).where(self.row.slug == name))
        return found

    def page(
        self,
        *,
        limit: int,
        offset: int = 0,
        sort: str = "-created_at",
        filters: Mapping[str, str | None] | None = None,
    ) -> tuple[Sequence[Definition], int]:
        """One page and the number of rows in all; filters that are None do not count.

        Raises:
            Invalid: ``sort`` is not ``created_at``, ``updated_at`` or ``name``, with or without a leading ``-``.
        """
        conditions = self._conditions(filters or {})
        query = select(self.row).where(*conditions).order_by(*self._order(sort)).limit(limit).offset(offset)
        total = self.session.scalar(select(func.count()).select_from(self.row).where(*conditions)) or 0
        return self.session.scalars(query).all(), total

    def add(self, made: Definition) -> Definition:
        """Store a new row.

        Raises:
            Conflict: another one has the name, or a name that makes the same slug.
        """
        made.slug = slug(made.name)
        made.app = slug(made.app or "default", "app")
        self._refuse_twin(made)
        self.session.add(made)
        self._flush(made)
        return made

    def rename(self, row: Definition, name: str) -> None:
        """Give a row another name; its slug, and so its asset key, stays as it was made."""
        twin = self.by_slug(slug(name))
        if twin is not None and twin.id != row.id:
            raise self._twin(name, twin)
        row.name = name

    def remove(self, row: Definition) -> None:
        """Delete a row.

        Raises:
            Conflict: something is built on it; the message lists what.
        """
        dependants = self.dependants(row)
        if dependants:
            raise Conflict(
                f"{self.noun.capitalize()} '{row.name}' is used by"
                f" {', '.join(called(each) for each in dependants[:MOST_NAMED])}; delete these first"
            )
        self.session.delete(row)
        self.session.flush()

    def dependants(self, row: Definition) -> Sequence[Named]:
        """What is built on this row; of very many some."""
        raise NotImplementedError

    def _reachable(self) -> list[ColumnElement[bool]]:
        """What narrows the rows that can be found and listed; names are taken all the same."""
        return []

    def _conditions(self, filters: Mapping[str, str | None]) -> list[ColumnElement[bool]]:
        made = self._reachable()
        for name, value in filters.items():
            if value is None:
                continue
            column: InstrumentedAttribute[Any] = getattr(self.row, name)
            wanted = as_uuid(value) if name.endswith("_id") else value
            made.append(column == wanted)
        return made

    def _order(self, sort: str) -> list[ColumnElement[Any]]:
        name = sort.removeprefix("-")
        if name not in ("created_at", "updated_at", "name"):
            raise Invalid.field("sort", "must be created_at, updated_at or name, with or without a leading '-'")
        column: InstrumentedAttribute[Any] = getattr(self.row, name)
        tie: InstrumentedAttribute[Any] = self.row.id
        return [column.desc(), tie.desc()] if sort.startswith("-") else [column.asc(), tie.asc()]

    def _refuse_twin(self, made: Definition) -> None:
        twin = self.by_slug(made.slug)
        if twin is not None:
            raise self._twin(made.name, twin)

    def _twin(self, name: str, twin: Definition) -> Duplicate:
        if twin.name == name:
            return Duplicate(f"There is already a {self.noun} named '{name}'")
        return Duplicate(f"'{name}' makes the same identifier as the {self.noun} '{twin.name}': {twin.slug}")

    def _flush(self, made: Definition) -> None:
        name, id = made.name, made.slug
        try:
            with self.session.begin_nested():
                self.session.flush()
        except IntegrityError as error:
            if "slug" in str(error.orig):
                raise Duplicate(f"There is already a {self.noun} with the identifier '{id}' ('{name}')") from None
            raise
