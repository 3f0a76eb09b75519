"""A mapping: which column of a dataset becomes which property of an object type, and how rows meet objects."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from dataops_defs.domain.object_type import ObjectType
from dataops_defs.domain.paths import PLACE, below, located, steps_of
from dataops_defs.domain.schema_words import property_type, resolved
from dataops_defs.errors import FieldProblem, Invalid

Word = TypeVar("Word", bound=StrEnum)
MAX_DEPTH = 10
# How the types begin whose values hold something: text may be JSON.
_NESTED = ("string", "large_string", "struct", "list", "large_list", "fixed_size_list", "map", "null")
_LISTS = ("string", "large_string", "list", "large_list", "fixed_size_list", "null")


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
    """One property, or a value inside of one: the column or path it comes from, the transform, what stands for null."""

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


def root_of(name: str) -> str:
    """The property that an entry of a mapping writes, or writes into: ``address`` of ``address.city``."""
    return name.partition(".")[0]


def written_properties(mappings: Iterable[str]) -> list[str]:
    """The properties that a mapping writes, in its order."""
    return list(dict.fromkeys(map(root_of, mappings)))


def nested_schema(kind: ObjectType, name: str) -> Mapping[str, Any] | None:
    """The schema of a property, or of what lies inside of one; None when there is no such thing.

    What an object leaves open (``additionalProperties``) may hold anything.
    """
    first, *rest = name.split(".")
    found: Any = kind.properties.get(first)
    for part in rest if len(rest) < MAX_DEPTH else [""]:
        if found is None or part == "":
            return None
        schema = resolved(found, kind.schema)
        if property_type(schema) not in ("object", "any"):
            return None
        more = schema.get("additionalProperties", True)
        found = schema.get("properties", {}).get(part, ({} if more is True else more) or None)
        if more is not False and found is None:
            found = {}
    return found if isinstance(found, Mapping) else None


def check_mapping(
    mappings: Mapping[str, PropertyMapping],
    kind: ObjectType,
    columns: Mapping[str, str] | None,
    explode: str | None = None,
) -> None:
    """Refuse a mapping that could not be synced.

    Args:
        columns: type by name of the dataset's columns, None while they are unknown.
        explode: the column or path of the list whose elements are the rows.
    Raises:
        Invalid: a property or column that does not exist, the key or a required property left out, a property mapped
            as a whole and in parts.
    """
    problems: list[FieldProblem] = []
    if not mappings:
        problems.append(FieldProblem("mappings", "must map at least one property"))
    if explode is not None and columns is not None and (reason := _source_problem(explode, columns, None, _LISTS)):
        problems.append(FieldProblem("explode", reason))
    for name, each in mappings.items():
        field, reason = f"mappings.{name[:200]}", _target_problem(name, mappings, kind)
        if reason is None and columns is not None:
            reason = _source_problem(each.source_column, columns, explode, _NESTED)
            field += ".sourceColumn"
        if reason is not None:
            problems.append(FieldProblem(field, reason))
    needed = {kind.key_field, *kind.schema.get("required", ())}
    problems += [
        FieldProblem(f"mappings.{name}", f"is required by object type '{kind.name}'")
        for name in sorted(needed - set(written_properties(mappings)))
        if mappings
    ]
    if problems:
        raise Invalid(f"{problems[0].field}: {problems[0].message}", problems)


def _target_problem(name: str, mappings: Mapping[str, PropertyMapping], kind: ObjectType) -> str | None:
    if nested_schema(kind, name) is None:
        return f"object type '{kind.name}' has no such property"
    whole = next((other for other in mappings if name.startswith(f"{other}.")), None)
    return f"'{whole}' is mapped already, with all that is in it" if whole else None


def _source_problem(path: str, columns: Mapping[str, str], explode: str | None, kinds: tuple[str, ...]) -> str | None:
    """Why nothing could be read from a column or path."""
    rest = None if explode is None or path in columns else below(path, explode)
    if rest is not None:
        known = rest == f".{PLACE}" or steps_of(rest) is not None
        return None if known else f"'{path[:100]}' is no path into the elements of '{explode}'"
    found = located(path, columns)
    if found is None:
        return f"the dataset has no column '{path[:100]}'"
    kind = columns[found.column]
    if (found.steps or kinds is _LISTS) and not kind.startswith(kinds if not found.steps else _NESTED):
        return f"column '{found.column[:100]}' holds {kind}, with nothing inside"
    return None
