"""Words for stories of objects over HTTP: a fleet of planes in either store, and what is asked of it."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.api_shim.conftest import Api

PROPERTIES: dict[str, Any] = {
    "tail": {"type": "string"},
    "model": {"type": "string", "x-index": True},
    "year": {"type": "integer", "x-index": True},
    "price": {"type": "number"},
    "active": {"type": "boolean"},
    "built": {"type": "string", "format": "date"},
    "seen": {"type": "string", "format": "date-time"},
    "home": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "gates": {"type": "integer"},
            "open": {"type": "string", "format": "date-time"},
        },
    },
    "tags": {"type": "array", "items": {"type": "string"}},
}
HEAD = "tail,model,year,price,active,built,seen,home,tags\n"
PLANES = [
    (
        "N1",
        "737-800",
        2015,
        "12.30",
        True,
        "2015-01-31",
        "2026-01-01T10:00:00Z",
        {"city": "Zürich", "gates": 3},
        ["old"],
    ),
    ("N2", "A320", 2018, "7.05", True, "2018-06-01", None, {"city": "Bern", "open": "2026-01-01T06:00:00+01:00"}, []),
    ("N/3", "A 100%", None, None, False, None, "2026-01-02T00:00:00+02:00", None, ["old", 'it\'s "new"']),
    ("Ñ 4%2F", "a320_neo", 2020, "123456789012345678.5", None, None, None, {"city": "bern", "gates": 12}, None),
]


def csv_of(planes: list[tuple[Any, ...]]) -> str:
    def cell(value: Any) -> str:
        text = "" if value is None else json.dumps(value) if isinstance(value, bool | dict | list) else str(value)
        return '"' + text.replace('"', '""') + '"' if text else ""

    return HEAD + "".join(",".join(cell(each) for each in plane) + "\n" for plane in planes)


@pytest.fixture(params=["postgres", "dynamodb"])
def store(request: pytest.FixtureRequest) -> str:
    """Where the objects are: most of what is asked is answered the same."""
    return "postgres" if request.param == "postgres" else f"dynamodb:{request.getfixturevalue('table_name')}"


def fleet(api: Api, store: str = "postgres", planes: list[tuple[Any, ...]] = PLANES, **schema: Any) -> Any:
    """A type of planes and a synced mapping to it; the mapping."""
    properties = dict(PROPERTIES)
    if store != "postgres":
        properties = {name: {k: v for k, v in each.items() if k != "x-index"} for name, each in PROPERTIES.items()}
    body = {"name": "plane", "keyField": "tail", "store": store, "schema": {"properties": properties, **schema}}
    api.post("/object-types", body)
    columns: dict[str, Any] = {name: {"sourceColumn": name} for name in PROPERTIES}
    columns["home"]["transform"] = columns["tags"]["transform"] = "parseJSON"
    columns["active"]["transform"] = 'value === null ? null : String(value) === "true"'
    source = api.source("Planes", csv_of(planes))
    dataset = api.dataset("Planes", source=source)
    mapping = api.post("/mappings", {"datasetId": dataset["id"], "objectType": "plane", "mappings": columns})
    done = api.post(f"/mappings/{mapping['id']}/sync")
    assert (done["inserted"], done["failed"]) == (len(planes), 0), api.get(f"/mappings/{mapping['id']}/rejects")
    return mapping


def objects(api: Api, **query: Any) -> Any:
    return api.get(f"/object-types/plane/objects?{urlencode(query, doseq=True)}")


def tails(api: Api, **query: Any) -> list[str]:
    return [each["tail"] for each in objects(api, **query)]
