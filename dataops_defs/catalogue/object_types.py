"""Object types in the catalogue; they are also found by name."""

from collections.abc import Sequence

from sqlalchemy import select

from dataops_defs.catalogue.base import Named
from dataops_defs.catalogue.definitions import MOST_NAMED, Definitions
from dataops_defs.catalogue.models import MappingRow, ObjectTypeRow
from dataops_defs.domain.object_type import POSTGRES, ObjectType
from dataops_defs.errors import Conflict, NotFound


def object_type_of(row: ObjectTypeRow) -> ObjectType:
    """The row as the domain knows it."""
    return ObjectType(
        id=row.id,
        name=row.name,
        slug=row.slug,
        app=row.app,
        schema=row.schema,
        key_field=row.key_field,
        store=row.store,
        description=row.description,
        version=row.version,
    )


class ObjectTypes(Definitions[ObjectTypeRow]):
    """All reads and writes of object types."""

    row = ObjectTypeRow
    noun = "object type"

    def named(self, name: str, *, lock: bool = False) -> ObjectTypeRow:
        """The object type of that name, slug or id.

        Raises:
            NotFound: there is none.
        """
        query = select(ObjectTypeRow).where((ObjectTypeRow.name == name) | (ObjectTypeRow.slug == name))
        found = self.session.scalar(query.with_for_update() if lock else query) or self.find(name, lock=lock)
        if found is None:
            raise NotFound(f"Object type {name[:80]} not found")
        return found

    def refuse_shared_table(self, store: str) -> None:
        """Refuse a DynamoDB table that holds the objects of another type: both would take the other's for theirs."""
        if store == POSTGRES:
            return
        found = self.session.scalar(select(ObjectTypeRow.name).where(ObjectTypeRow.store == store).limit(1))
        if found is not None:
            raise Conflict(f"'{store}' holds the objects of type '{found}' already")

    def dependants(self, row: ObjectTypeRow) -> Sequence[Named]:
        """Mappings that write its objects."""
        query = select(MappingRow).where(MappingRow.object_type_id == row.id).limit(MOST_NAMED)
        return self.session.scalars(query).all()
