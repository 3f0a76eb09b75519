"""The demo's definitions, as the bodies that are sent to the REST API (document 004's forms)."""

from typing import Any

APP = "aviation"
OWNER = "team:aviation-data"

AIRCRAFT: dict[str, Any] = {
    "name": "aircraft",
    "description": "An aircraft of the FAA registry",
    "app": APP,
    "owner": OWNER,
    "keyField": "tailNumber",
    "schema": {
        "type": "object",
        "required": ["tailNumber"],
        "properties": {
            "tailNumber": {"type": "string", "pattern": "^N[0-9A-Z]{2,5}$"},
            "manufacturer": {"type": "string"},
            "model": {"type": "string"},
            "yearBuilt": {"type": "integer", "minimum": 1903, "maximum": 2030},
            "kind": {"type": "string"},
            "engines": {"type": "integer", "minimum": 0},
            "engineType": {"type": "string"},
            "seats": {"type": "integer", "minimum": 1},
            "size": {"enum": ["small", "large"]},
            "status": {"type": "string"},
            "lastInspection": {"type": "string", "format": "date-time"},
        },
    },
}
AIRLINE: dict[str, Any] = {
    "name": "airline",
    "description": "A carrier",
    "app": APP,
    "owner": OWNER,
    "keyField": "code",
    "schema": {
        "type": "object",
        "required": ["code", "name"],
        "properties": {
            "code": {"type": "string", "pattern": "^[0-9A-Z]{2}$"},
            "name": {"type": "string", "minLength": 1},
        },
    },
}
AIRPORT: dict[str, Any] = {
    "name": "airport",
    "description": "An airport of the United States; one with a time zone of another continent is wrong somewhere",
    "app": APP,
    "owner": OWNER,
    "keyField": "code",
    "schema": {
        "type": "object",
        "required": ["code", "name"],
        "properties": {
            "code": {"type": "string", "pattern": "^[0-9A-Z]{3}$"},
            "name": {"type": "string"},
            "latitude": {"type": "number", "minimum": 15, "maximum": 72},
            "longitude": {"type": "number"},
            "altitudeFeet": {"type": "integer"},
            "timezone": {"type": "string", "pattern": "^(America|Pacific|unknown)"},
        },
    },
}
FLIGHT: dict[str, Any] = {
    "name": "flight",
    "description": "A flight that left New York City in 2013",
    "app": APP,
    "owner": OWNER,
    "keyField": "flightKey",
    "schema": {
        "type": "object",
        "required": ["flightKey", "carrier"],
        "properties": {
            "flightKey": {"type": "string"},
            "carrier": {"type": "string", "x-references": "airline"},
            "tailNumber": {"type": "string", "x-references": "aircraft"},
            "origin": {"type": "string", "x-references": "airport"},
            "destination": {"type": "string"},
            "scheduledDay": {"type": "string", "format": "date"},
            "departureDelay": {"type": "integer"},
            "arrivalDelay": {"type": "integer"},
            "distanceMiles": {"type": "integer", "minimum": 0},
        },
    },
}
OBJECT_TYPES = (AIRCRAFT, AIRLINE, AIRPORT, FLIGHT)


def sources(folder: str, operations: dict[str, Any]) -> list[dict[str, Any]]:
    """The three sources; ``operations`` is the connection of the operations database."""
    return [
        {
            "name": "FAA Registry",
            "type": "csv",
            "app": APP,
            "owner": OWNER,
            "description": "The register of aircraft, a file that arrives once a month",
            "connection": {"path": f"{folder}/planes.csv"},
        },
        {
            "name": "Operations Database",
            "type": "postgres",
            "app": APP,
            "owner": OWNER,
            "description": "Flights and airlines",
            "connection": operations,
        },
        {
            "name": "Airports Workbook",
            "type": "excel",
            "app": APP,
            "owner": OWNER,
            "description": "Kept by hand by the network team",
            "connection": {"path": f"{folder}/airports.xlsx"},
        },
    ]


def _dataset(name: str, source: str, extraction: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    storage = {"bucket": "captify-datasets", "prefix": f"{APP}/{name.lower().replace(' ', '-')}"}
    body = {"name": name, "app": APP, "owner": OWNER, "extraction": extraction, "storage": storage}
    return source, body


DATASETS = (
    _dataset("Aircraft Registry", "FAA Registry", {"type": "file"}),
    _dataset(
        "Airlines",
        "Operations Database",
        {"type": "sql", "query": "SELECT carrier, name FROM airlines ORDER BY carrier"},
    ),
    _dataset("Airports", "Airports Workbook", {"type": "file", "sheet": "airports"}),
    _dataset(
        "Flights 2013",
        "Operations Database",
        {
            "type": "sql",
            "query": "SELECT year, month, day, carrier, flight, tailnum, origin, dest, dep_delay, arr_delay, distance,"
            " time_hour FROM flights",
        },
    ),
)


def _mapping(name: str, dataset: str, kind: str, mappings: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    key = next(each["keyField"] for each in OBJECT_TYPES if each["name"] == kind)
    sync = {"mode": "upsert", "keyField": key, "onConflict": "overwrite"}
    return dataset, {
        "name": name,
        "app": APP,
        "owner": OWNER,
        "objectType": kind,
        "mappings": mappings,
        "sync": sync,
    }


def _column(name: str, transform: str | None = None, default: Any = None) -> dict[str, Any]:
    made = {"sourceColumn": name, "transform": transform, "defaultValue": default}
    return {key: value for key, value in made.items() if value is not None}


MAPPINGS = (
    _mapping(
        "Aircraft Registry to aircraft",
        "Aircraft Registry",
        "aircraft",
        {
            "tailNumber": _column("tailnum", "trim"),
            "manufacturer": _column("manufacturer", 'value.replace(/ INDUSTRIE$| AIRCRAFT CO$| CORPORATION$/, "")'),
            "model": _column("model"),
            "yearBuilt": _column("year", "parseInt"),
            "kind": _column("type"),
            "engines": _column("engines"),
            "engineType": _column("engine"),
            "seats": _column("seats"),
            "size": _column("seats", 'value > 100 ? "large" : "small"'),
            "status": _column("speed", 'value ? "speed recorded" : null', "active"),
            "lastInspection": _column(
                "year", "value ? new Date(Date.UTC(Math.max(value, 2012), 5, 30)).toISOString() : null"
            ),
        },
    ),
    _mapping(
        "Airlines to airline",
        "Airlines",
        "airline",
        {"code": _column("carrier"), "name": _column("name", "trim")},
    ),
    _mapping(
        "Airports to airport",
        "Airports",
        "airport",
        {
            "code": _column("faa"),
            "name": _column("name", "trim"),
            "latitude": _column("lat"),
            "longitude": _column("lon"),
            "altitudeFeet": _column("alt", "parseInt"),
            "timezone": _column("tzone", default="unknown"),
        },
    ),
    _mapping(
        "Flights to flight",
        "Flights 2013",
        "flight",
        {
            "flightKey": _column("flight", '[row.year, row.month, row.day, row.carrier, value, row.origin].join("-")'),
            "carrier": _column("carrier"),
            "tailNumber": _column("tailnum"),
            "origin": _column("origin"),
            "destination": _column("dest"),
            "scheduledDay": _column("time_hour", "toISODate"),
            "departureDelay": _column("dep_delay"),
            "arrivalDelay": _column("arr_delay"),
            "distanceMiles": _column("distance"),
        },
    ),
)

PIPELINE_NAME = "Aircraft Data Pipeline"
SCHEDULE = {"enabled": False, "cron": "0 2 * * *", "timezone": "America/New_York"}

DATAMART: dict[str, Any] = {
    "name": "aircraft_activity",
    "type": "table",
    "schema": "analytics",
    "refresh_strategy": "on_demand",
    "description": "What each aircraft did in 2013, with its main airline and where it started most",
    "query": """
        SELECT a."tailNumber" AS tail_number, a.manufacturer, a.model, a."yearBuilt" AS year_built,
               count(*) AS flights, sum(f."distanceMiles") AS miles,
               round(avg(f."departureDelay"), 1) AS average_departure_delay,
               min(f."scheduledDay") AS first_flight, max(f."scheduledDay") AS last_flight,
               mode() WITHIN GROUP (ORDER BY l.name) AS main_airline,
               mode() WITHIN GROUP (ORDER BY p.name) AS main_origin
        FROM objects.aircraft a
        JOIN objects.flight f ON f."tailNumber" = a."tailNumber"
        JOIN objects.airline l ON l.code = f.carrier
        JOIN objects.airport p ON p.code = f.origin
        GROUP BY a."tailNumber", a.manufacturer, a.model, a."yearBuilt"
    """,
}


def pipeline(ids: dict[str, str]) -> dict[str, Any]:
    """The graph over all sources, datasets and mappings; ``ids`` are the catalogue ids by name."""
    nodes: list[dict[str, Any]] = []
    edges: list[dict[str, Any]] = []

    def node(kind: str, name: str, x: int, y: int) -> str:
        made = f"{kind}-{len(nodes) + 1}"
        nodes.append({"id": made, "type": kind, "data": {f"{kind}Id": ids[name]}, "position": {"x": x, "y": y}})
        return made

    def edge(start: str, end: str) -> None:
        edges.append({"id": f"e{len(edges) + 1}", "source": start, "target": end})

    used = dict.fromkeys(source for source, _ in DATASETS)
    by_name = {name: node("source", name, 0, 120 * row) for row, name in enumerate(used)}
    ends: dict[str, str] = {}
    for row, ((source, dataset), (_, mapping)) in enumerate(zip(DATASETS, MAPPINGS, strict=True)):
        middle = node("dataset", dataset["name"], 300, 120 * row)
        ends[mapping["objectType"]] = node("mapping", mapping["name"], 600, 120 * row)
        edge(by_name[source], middle)
        edge(middle, ends[mapping["objectType"]])
    for parent in ("aircraft", "airline", "airport"):
        edge(ends[parent], ends["flight"])
    return {
        "name": PIPELINE_NAME,
        "app": APP,
        "owner": OWNER,
        "description": "From the registry, the operations database and a workbook to objects",
        "nodes": nodes,
        "edges": edges,
        "schedule": SCHEDULE,
    }
