"""What a refusal says of each field: in sentences, with what would be right."""

import pkgutil
import re
from importlib import import_module
from typing import Annotated, Any, Literal

import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, BaseModel, Field, StrictBool, StrictInt, ValidationError

from api_shim import schemas
from api_shim.problems import Malformed, problems_of
from tests.api_shim.conftest import Api

MVP = "/api/v1/mvp"


class Part(BaseModel):
    model_config = {"extra": "forbid"}
    column: str
    kind: Literal["a", "b"] = "a"


class Asked(BaseModel):
    model_config = {"extra": "forbid"}
    name: str = Field(default="x", min_length=1, max_length=5)
    title: str = Field(default="xx", min_length=2)
    slug: str = Field(default="x", pattern=r"^[\w-]+$", description="Letters, digits, _ and -")
    code: str = Field(default="x", pattern="^x$")
    place: Annotated[str, Field(pattern="^[a-z]+$", description="Letters a to z")] | None = None
    limit: int = Field(default=1, ge=1, le=500)
    share: float = Field(default=0.5, gt=0, lt=1)
    count: StrictInt = 1
    enabled: StrictBool = True
    tags: list[str] = Field(default=["x"], min_length=1, max_length=2)
    pair: list[int] = Field(default=[1, 2], min_length=2)
    part: Part | None = None
    parts: list[Part] = []
    at: AwareDatetime | None = None
    by_name: dict[str, Annotated[str, Field(max_length=3)]] = {}


def told(**given: Any) -> dict[str, str]:
    """What is said of each field of a body."""
    with pytest.raises(ValidationError) as refused:
        Asked.model_validate(given)
    return {each.field: each.message for each in problems_of(Malformed(refused.value, Asked))}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "", "must not be empty"),
        ("name", "toolong", "must have 5 characters at most"),
        ("name", 1, "must be a text"),
        ("title", "x", "must have 2 characters at least"),
        ("slug", "a b", "is not written as it has to be: Letters, digits, _ and -"),
        ("code", "y", "is not written as it has to be"),
        ("place", "1", "is not written as it has to be: Letters a to z"),
        ("limit", 0, "must be 1 or more"),
        ("limit", 501, "must be 500 or less"),
        ("limit", "x", "must be a whole number"),
        ("share", 0, "must be more than 0.0"),
        ("share", 1, "must be less than 1.0"),
        ("share", "much", "must be a number"),
        ("count", "1", "must be a whole number"),
        ("enabled", "yes", "must be true or false"),
        ("tags", [], "must not be empty"),
        ("tags", ["a", "b", "c"], "must hold 2 values at most"),
        ("tags", "a", "must be a list"),
        ("pair", [1], "must hold 2 values at least, not 1"),
        ("part", [], "must be a JSON object"),
        ("at", "2025-11-02T10:00:00", "must have a time zone, as in 2025-11-02T10:00:00Z"),
        ("at", "soon", "must be a date and time such as 2025-11-02T10:00:00Z"),
        ("by_name", [], "must be a JSON object"),
    ],
)
def test_each_kind_of_error_is_a_sentence(field: str, value: Any, said: str) -> None:
    assert told(**{field: value}) == {field: said}


ILL = (5, True, "x", "", {}, {"a": 1}, None, [], [1], [None], [{}], ["x"], 1.5, "99999999999999999999")
MODELS = [
    found
    for module in pkgutil.iter_modules(schemas.__path__)
    for found in vars(import_module(f"{schemas.__name__}.{module.name}")).values()
    if isinstance(found, type) and issubclass(found, BaseModel) and found.__module__.startswith("api_shim")
]


@pytest.mark.parametrize("model", dict.fromkeys(MODELS))
def test_no_field_of_any_body_is_told_in_the_words_of_a_library(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        for ill in ILL:
            try:
                model.model_validate({field.alias or name: ill})
            except ValidationError as error:
                told = [each.message for each in problems_of(Malformed(error, model))]
                assert [each for each in told if re.search("should|instance|Sequence", each)] == []


@pytest.mark.parametrize("tables", ["customers", {"a": 1}, 1, True, None])
def test_what_is_no_list_of_tables_is_told_so(api: Api, tables: Any) -> None:
    reply = api.client.post(f"{MVP}/relationships/detect", json={"tables": tables})
    assert (reply.status_code, reply.json()["detail"]) == (422, "tables: must be a list")


def test_choices_are_listed() -> None:
    assert told(part={"column": "x", "kind": "c"}) == {"part.kind": "must be 'a' or 'b'"}


class TestAnUnknownField:
    def test_is_told_with_the_known_ones_the_nearest_first(self) -> None:
        [said] = told(limits=3).values()
        assert said.startswith("is not a known field; known are limit, ")
        assert said.endswith(" and 3 more")

    @pytest.mark.parametrize("where", [{"part": {"column": "x", "kin": "a"}}, {"parts": [{"column": "x", "kin": 1}]}])
    def test_of_a_part_with_those_of_the_part(self, where: Any) -> None:
        [(field, said)] = told(**where).items()
        assert field in ("part.kin", "parts.0.kin")
        assert said == "is not a known field; known are kind, column"

    def test_of_a_body_that_is_known_to_nobody_is_told_all_the_same(self) -> None:
        error = RequestValidationError([{"type": "extra_forbidden", "loc": ("body", "x"), "msg": "Extra inputs"}])
        assert problems_of(error)[0].message == "is not a known field"

    def test_over_http_in_a_body_a_query_and_a_form(self, api: Api) -> None:
        body = {"folder_path": "in", "file_patterns": ["*"], "import_config": {"notify_email": "x"}}
        watch = api.client.post(f"{MVP}/storage/watch", json=body).json()["errors"]
        assert watch[0]["field"] == "import_config.notify_email"
        assert watch[0]["message"].startswith("is not a known field; known are notification_email, ")

        listed = api.client.get("/api/v1/dataops/sources?limt=5").json()["errors"]
        assert listed[0]["message"].startswith("is not a known field; known are limit, ")

        form = api.client.post(f"{MVP}/preview/file", files={"file": ("a.csv", "a\n1\n")}, data={"delimeter": ";"})
        assert form.json()["errors"][0]["message"].startswith("is not a known field; known are delimiter, ")


def test_what_is_no_object_is_told_how_to_send_one(api: Api) -> None:
    for body, content_type in (("[1]", "application/json"), ("a=1", "text/plain")):
        reply = api.client.post(f"{MVP}/storage/import", content=body, headers={"Content-Type": content_type})
        assert reply.json()["detail"] == "body: must be a JSON object (Content-Type: application/json)"


class TestAMethodThatAnAddressDoesNotTake:
    def test_is_told_with_those_that_it_takes(self, api: Api) -> None:
        reply = api.client.put("/api/v1/dataops/sources", json={})
        assert (reply.status_code, reply.headers["Allow"]) == (405, "GET, POST")
        assert reply.json()["detail"] == "This address does not take that method, but GET and POST"

    def test_in_every_family(self, api: Api) -> None:
        assert api.client.delete("/api/v1/pipelines").headers["Allow"] == "GET, POST"
        assert api.client.get(f"{MVP}/storage/import").headers["Allow"] == "POST"
