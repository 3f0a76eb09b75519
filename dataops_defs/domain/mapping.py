"""A mapping: which column of a dataset becomes which property of an object type, and how rows meet objects."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from dataops_defs.domain.object_type import ObjectType
from dataops_defs.errors import FieldProblem, Invalid

Word = TypeVar("Word", bound=StrEnum)


class SyncMode(StrEnum):
    """``upsert`` adds and changes; ``replace`` also deletes what the dataset no longer holds; ``append`` only adds."""

    UPSERT = "upsert"
    REPLACE = "replace"
    APPEND = "append"


class OnConflict(StrEnum):
    """What happens to an object that exists: keep it, take the new values, or only those that are not empty."""

    SKIP = "skip"
    OVERWRITE = "overwrite"
    MERGE = "merge"


@dataclass(frozen=True)
class PropertyMapping:
    """One property: the column it comes from, the transform, and what stands in for null."""

    source_column: str
    transform: str | None = None
    default: Any = None


@dataclass(frozen=True)
class Sync:
    """How rows meet objects that exist; ``key_field`` is the property they are matched on."""

    mode: SyncMode
    key_field: str
    on_conflict: OnConflict

    def as_json(self) -> dict[str, str]:
        """The documented form."""
        return {"mode": str(self.mode), "keyField": self.key_field, "onConflict": str(self.on_conflict)}


def sync_settings(value: Mapping[str, Any] | None, kind: ObjectType) -> Sync:
    """Read ``sync``; left out it is an upsert on the type's key that overwrites.

    Raises:
        Invalid: an unknown word, or a key other than the object type's.
    """
    given = value or {}
    key_field = given.get("keyField") or kind.key_field
    if key_field != kind.key_field:
        raise Invalid.field("sync.keyField", f"must be '{kind.key_field}', the key of object type '{kind.name}'")
    return Sync(
        mode=_word(SyncMode, given.get("mode") or "upsert", "sync.mode"),
        key_field=key_field,
        on_conflict=_word(OnConflict, given.get("onConflict") or "overwrite", "sync.onConflict"),
    )


def _word(words: type[Word], value: str, field: str) -> Word:
    try:
        return words(value)
    except ValueError:
        raise Invalid.field(field, f"must be one of: {', '.join(words)}") from None


def property_mappings(value: Mapping[str, Any]) -> dict[str, PropertyMapping]:
    """Read ``mappings`` from its documented form."""
    return {
        name: PropertyMapping(each["sourceColumn"], each.get("transform") or None, each.get("defaultValue"))
        for name, each in value.items()
    }


def check_mapping(mappings: Mapping[str, PropertyMapping], kind: ObjectType, columns: Collection[str] | None) -> None:
    """Refuse a mapping that could not be synced. ``columns`` are the dataset's, None while they are unknown.

    Raises:
        Invalid: a property or column that does not exist, the key or a required property left out.
    """
    problems: list[FieldProblem] = []
    if not mappings:
        problems.append(FieldProblem("mappings", "must map at least one property"))
    for name, each in mappings.items():
        if name not in kind.properties:
            problems.append(FieldProblem(f"mappings.{name[:60]}", f"object type '{kind.name}' has no such property"))
        elif columns is not None and each.source_column not in columns:
            problems.append(
                FieldProblem(f"mappings.{name}.sourceColumn", f"the dataset has no column '{each.source_column[:100]}'")
            )
    needed = {kind.key_field, *kind.schema.get("required", ())}
    problems += [
        FieldProblem(f"mappings.{name}", f"is required by object type '{kind.name}'")
        for name in sorted(needed - set(mappings))
        if mappings
    ]
    if problems:
        raise Invalid(f"{problems[0].field}: {problems[0].message}", problems)
