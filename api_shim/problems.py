"""What is wrong with a request, field by field: a sentence for each kind of error that its validation tells.

Source: pydantic, "Validation Errors".
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, get_args

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from starlette.types import Scope

from dataops_defs.errors import FieldProblem

MOST_SHOWN = 12
PLACES = ("body", "query", "path", "header")
_MOMENT = "must be a date and time such as 2025-11-02T10:00:00Z"
_SENTENCES = {
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "json_invalid": "is not valid JSON",
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type", "mapping_type"), "must be a JSON object"),
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "iterable_type"), "must be a list"),
    **dict.fromkeys(("string_type", "string_unicode", "bytes_type"), "must be a text"),
    "string_too_short": "must have {min_length} characters at least",
    "string_too_long": "must have {max_length} characters at most",
    "string_pattern_mismatch": "is not written as it has to be",
    "too_short": "must hold {min_length} values at least, not {actual_length}",
    "too_long": "must hold {max_length} values at most",
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "must be a whole number"),
    "int_parsing_size": "is too long a number",
    **dict.fromkeys(("float_type", "float_parsing", "decimal_type", "decimal_parsing"), "must be a number"),
    "finite_number": "must be a finite number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "multiple_of": "must be a multiple of {multiple_of}",
    **dict.fromkeys(("literal_error", "enum"), "must be {expected}"),
    "none_required": "must be null",
    **dict.fromkeys(("date_type", "date_parsing", "date_from_datetime_parsing"), "must be a date such as 2025-11-02"),
    **dict.fromkeys(("time_type", "time_parsing"), "must be a time such as 10:00:00"),
    **dict.fromkeys(("datetime_type", "datetime_parsing", "datetime_from_date_parsing"), _MOMENT),
    "timezone_aware": "must have a time zone, as in 2025-11-02T10:00:00Z",
    **dict.fromkeys(("uuid_type", "uuid_parsing"), "must be a UUID"),
    "union_tag_invalid": "its {discriminator} must be one of {expected_tags}",
    "union_tag_not_found": "must say what it is, in {discriminator}",
}


class Malformed(RequestValidationError):
    """A body that is no ``model``, where a route reads it by itself."""

    def __init__(self, error: ValidationError, model: type[BaseModel]) -> None:
        super().__init__([{**each, "loc": ("body", *each["loc"])} for each in error.errors(include_input=False)])
        self.model = model


def problems_of(error: RequestValidationError, scope: Scope | None = None) -> list[FieldProblem]:
    """Each thing that is wrong, by the field's dotted path; ``scope`` of the request tells which fields there are."""
    found = [_problem(each, _models(error, scope, each["loc"])) for each in error.errors()]
    return found or [FieldProblem("body", "cannot be read")]


def _problem(error: Mapping[str, Any], models: Sequence[type[BaseModel]]) -> FieldProblem:
    place = [str(part)[:60] for part in error["loc"]]
    if place and place[0] in PLACES and len(place) > 1:
        place = place[1:]
    if error["type"] == "json_invalid":
        place = ["body"]
    return FieldProblem(".".join(place) or "body", _sentence(error) + _hint(error, models))


def _hint(error: Mapping[str, Any], models: Sequence[type[BaseModel]]) -> str:
    """What would be right, where the request's form tells it."""
    name = error["loc"][-1] if error["loc"] else ""
    match error["type"]:
        case "extra_forbidden":
            return _known(str(name), models)
        case "model_attributes_type" if name == "body":
            return " (Content-Type: application/json)"
        case "string_pattern_mismatch":
            told = next((each for field in _named(name, models) for each in _descriptions(field)), None)
            return f": {told}" if told else ""
        case _:
            return ""


def _sentence(error: Mapping[str, Any]) -> str:
    context = error.get("ctx") or {}
    if context.get("min_length") == 1:
        return "must not be empty"
    said = str(error["msg"]).removeprefix("Input ").removeprefix("Value error, ")
    try:
        return _SENTENCES.get(error["type"], said.replace("{", "{{").replace("}", "}}")).format_map(context)
    except KeyError:
        return said


def _known(name: str, models: Iterable[type[BaseModel]]) -> str:
    """The fields that there are instead, those that look most like it first."""
    known = {field.alias or own: None for model in models for own, field in model.model_fields.items()}
    if not known:
        return ""
    shown = sorted(known, key=lambda each: -SequenceMatcher(None, name.lower(), each.lower()).ratio())
    more = len(shown) - MOST_SHOWN
    return f"; known are {', '.join(shown[:MOST_SHOWN])}{f' and {more} more' if more > 0 else ''}"


def _models(error: RequestValidationError, scope: Scope | None, place: Sequence[Any]) -> list[type[BaseModel]]:
    """What the value is that an error names a field of; of one that may be of several kinds, all of them."""
    models = [error.model] if isinstance(error, Malformed) else list(_of_route(scope, place[0] if place else ""))
    for part in place[1:-1]:
        below = [each for field in _named(part, models) for each in _models_in(field.annotation)]
        models = below or models
    return models


def _of_route(scope: Scope | None, place: str) -> Iterator[type[BaseModel]]:
    route = (scope or {}).get("route")
    body, dependant = getattr(route, "body_field", None), getattr(route, "dependant", None)
    if place == "body" and body is not None:
        yield from _models_in(body.field_info.annotation)
    if place == "query" and dependant is not None:
        for each in _query_fields(dependant):
            yield from _models_in(each.field_info.annotation)


def _query_fields(dependant: Any) -> Iterator[Any]:
    yield from dependant.query_params
    for each in dependant.dependencies:
        yield from _query_fields(each)


def _named(name: Any, models: Iterable[type[BaseModel]]) -> Iterator[FieldInfo]:
    for model in models:
        for own, field in model.model_fields.items():
            if name in (own, field.alias):
                yield field


def _descriptions(field: FieldInfo) -> Iterator[str]:
    """What is said of a field's form, by itself or by its kind: ``Name | None`` is described where ``Name`` is."""
    kinds = (part for kind in get_args(field.annotation) for part in get_args(kind) if isinstance(part, FieldInfo))
    yield from (each.description for each in (field, *kinds) if each.description)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation is made of: of ``list[A] | B | None`` A and B."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from _models_in(each)
