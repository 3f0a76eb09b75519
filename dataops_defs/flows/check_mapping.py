"""Whether a mapping could be synced: what its words and its defaults say, before any row is read."""

from collections.abc import Mapping

from dataops_defs.adapters.shaping.by_value import roots_of, validator_of
from dataops_defs.domain.fitting import cannot_store, fit
from dataops_defs.domain.mapping import PropertyMapping, nested_schema
from dataops_defs.domain.object_type import ObjectType
from dataops_defs.errors import FieldProblem, Invalid

VALUE = "value"
_CHECKED_APART = ("text", "jsonb", "numeric", "boolean")


def check_defaults(mappings: Mapping[str, PropertyMapping], kind: ObjectType) -> None:
    """Refuse defaults that the object type does not allow.

    Raises:
        Invalid: each is named ``mappings.<property>.defaultValue``.
    """
    problems = [
        FieldProblem(f"mappings.{part.name}.defaultValue", reason)
        for root in roots_of(kind, mappings)
        for part in root.parts
        if part.mapping.default is not None
        and (reason := _problem(kind, part.name, part.mapping.default, part.column_type))
    ]
    if problems:
        raise Invalid(f"{problems[0].field}: {problems[0].message}", problems)


def _problem(kind: ObjectType, name: str, default: object, column_type: str) -> str | None:
    (seen,) = fit(fit([default], column_type), column_type)
    validator = validator_of(kind, VALUE, nested_schema(kind, name) or {})
    for each in validator.violations([{VALUE: seen}]):
        inside = each.path.removeprefix(VALUE)
        return f"{inside[1:]}: {each.message}" if inside else each.message
    return None if column_type in _CHECKED_APART else cannot_store(seen, column_type)
