"""Datamarts in the catalogue."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, func, select

from dataops_defs.catalogue.base import Named
from dataops_defs.catalogue.definitions import MOST_NAMED, Definitions
from dataops_defs.catalogue.models import DatamartRow, RunRow
from dataops_defs.domain.naming import slug
from dataops_defs.errors import Duplicate, Invalid, NotFound


class Datamarts(Definitions[DatamartRow]):
    """All reads and writes of datamarts."""

    row = DatamartRow
    noun = "datamart"

    def named(self, name: str, schema: str | None = None, *, lock: bool = False) -> DatamartRow:
        """The datamart of that name.

        Raises:
            NotFound: there is none, or it lies in another schema.
        """
        missing = NotFound(f"Datamart {name[:80]} not found")
        try:
            query = select(DatamartRow).where(DatamartRow.slug == slug(name))
        except Invalid:
            raise missing from None
        row = self.session.scalar(query.with_for_update() if lock else query)
        if row is None:
            raise missing
        if schema is not None and row.schema != schema:
            raise NotFound(f"Datamart {name[:80]} not found in the schema {schema[:80]}: it is in {row.schema}")
        return row

    def at(self, schema: str, table: str) -> DatamartRow | None:
        """The datamart that has that place in the warehouse, if one has."""
        return self.session.scalar(select(DatamartRow).where(DatamartRow.schema == schema, DatamartRow.slug == table))

    def take_name(self, name: str) -> None:
        """Have requests that make a datamart of one name come one after the other, until the transaction ends."""
        self.session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"datamart name {name}", 0))))

    def readers(self, row: DatamartRow) -> Sequence[DatamartRow]:
        """Other datamarts whose query reads this one."""
        query = select(DatamartRow).where(self._reads(row.schema, row.slug), DatamartRow.id != row.id)
        return self.session.scalars(query.order_by(DatamartRow.id)).all()

    def dependants(self, row: DatamartRow) -> Sequence[Named]:
        """Other datamarts whose query reads this one."""
        return self.readers(row)[:MOST_NAMED]

    def downstream(self, row: DatamartRow) -> list[DatamartRow]:
        """All that is built on a datamart, directly or by way of others: what reads others comes first."""
        found: list[DatamartRow] = []
        waiting = [row]
        while waiting:
            for each in self.readers(waiting.pop(0)):
                if each in found:
                    found.remove(each)
                found.append(each)
                waiting.append(each)
        return found[::-1]

    def circle(self, schema: str, table: str, upstream: Sequence[dict[str, str]]) -> str | None:
        """The datamart by way of which a query would read its own result, ``schema.table``; None where it does not."""
        seen: set[tuple[str, str]] = set()
        waiting = [(each["schema"], each["table"]) for each in upstream]
        while waiting:
            place = waiting.pop()
            if place == (schema, table):
                return f"{schema}.{table}"
            if place in seen:
                continue
            seen.add(place)
            read = self.at(*place)
            if read is not None:
                waiting += [(each["schema"], each["table"]) for each in read.upstream]
                if {"schema": schema, "table": table} in read.upstream:
                    return f"{read.schema}.{read.slug}"
        return None

    def at_work(self, row: DatamartRow) -> bool:
        """Whether a refresh of it has begun, or waits."""
        query = select(func.count()).where(RunRow.subject_id == row.id, RunRow.finished_at.is_(None))
        return bool(self.session.scalar(query))

    def _twin(self, name: str, twin: DatamartRow) -> Duplicate:
        told = str(super()._twin(name, twin))
        return Duplicate(f"{told}, in the schema {twin.schema}; names of datamarts are unique over schemas")

    def _reads(self, schema: str, table: str) -> ColumnElement[bool]:
        return DatamartRow.upstream.contains([{"schema": schema, "table": table}])
