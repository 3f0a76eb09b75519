"""A small shop in the warehouse: the definitions that the documents' examples call by name. Source: DECISIONS 20."""

from contextlib import suppress
from typing import Any

from dataops_defs.demo.client import Client
from dataops_defs.errors import Conflict

APP = "shop"
OWNER = "team:shop"
SOURCE = "conn_postgres_warehouse"
DATAMARTS = "/api/v1/mvp/datamarts"

TEXT, WHOLE, NUMBER, MOMENT = (
    {"type": "string"},
    {"type": "integer"},
    {"type": "number"},
    {"type": "string", "format": "date-time"},
)
THINGS: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "customer": (
        "customers",
        {"customer_id": WHOLE, "name": TEXT, "email": TEXT, "region": TEXT, "updated_at": MOMENT},
    ),
    "product": ("products", {"product_id": WHOLE, "product_name": TEXT, "category": TEXT, "price": NUMBER}),
    "order": ("orders", {"order_id": WHOLE, "customer_id": WHOLE, "amount": NUMBER, "status": TEXT}),
    "order_item": ("order_items", {"order_item_id": WHOLE, "order_id": WHOLE, "product_id": WHOLE, "quantity": WHOLE}),
}
"""Object type -> its table and the columns that become properties; the first is the key."""
PIPELINES = {
    "pipe_customer_sync_001": ("customer",),
    "pipe_001": ("product",),
    "pipe_etl": ("order",),
    "pipeline_etl": ("order", "order_item"),
    "daily_etl": ("customer", "product", "order", "order_item"),
}
CUSTOMER_360: dict[str, Any] = {
    "name": "customer_360",
    "type": "table",
    "schema": "analytics",
    "description": "Each customer with orders and spending",
    "query": "SELECT c.customer_id, c.name, c.email, count(o.order_id) AS total_orders,"
    " coalesce(sum(o.amount), 0) AS total_spent FROM customers c"
    " LEFT JOIN orders o ON c.customer_id = o.customer_id GROUP BY c.customer_id, c.name, c.email",
}


def open_shop(client: Client, warehouse_source: str) -> dict[str, Any]:
    """Make everything that is missing, and fill the datamart; returns what its refresh answered.

    Args:
        warehouse_source: id of the source that reads the warehouse.
    """
    nodes = {kind: _nodes(client, warehouse_source, kind) for kind in THINGS}
    for name, kinds in PIPELINES.items():
        client.ensure("pipelines", _pipeline(name, [nodes[kind] for kind in kinds], warehouse_source))
    with suppress(Conflict):  # it is there since an earlier demo
        client.send("POST", f"{DATAMARTS}/create", CUSTOMER_360)
    refreshed: dict[str, Any] = client.send("POST", f"{DATAMARTS}/{CUSTOMER_360['name']}/refresh", {})
    return refreshed


def _nodes(client: Client, source: str, kind: str) -> tuple[str, str]:
    """Ids of the dataset and the mapping of one kind of objects."""
    table, properties = THINGS[kind]
    key = next(iter(properties))
    common = {"app": APP, "owner": OWNER}
    schema = {"type": "object", "required": [key], "properties": properties}
    client.ensure("object-types", {**common, "name": kind, "keyField": key, "schema": schema})
    query = f"SELECT {', '.join(properties)} FROM {table}"  # noqa: S608 - our own words
    dataset = client.ensure(
        "datasets",
        {**common, "name": f"Shop {table}", "sourceId": source, "extraction": {"type": "sql", "query": query}},
    )
    mapping = client.ensure(
        "mappings",
        {
            **common,
            "name": f"Shop {table} to {kind}",
            "datasetId": dataset["id"],
            "objectType": kind,
            "mappings": {name: {"sourceColumn": name} for name in properties},
            "sync": {"mode": "upsert", "keyField": key, "onConflict": "overwrite"},
        },
    )
    return dataset["id"], mapping["id"]


def _pipeline(name: str, steps: list[tuple[str, str]], source: str) -> dict[str, Any]:
    nodes = [{"id": "source", "type": "source", "data": {"sourceId": source}, "position": {"x": 0, "y": 0}}]
    edges = []
    for row, (dataset, mapping) in enumerate(steps):
        extract, sync = f"extract-{row + 1}", f"sync-{row + 1}"
        place = {"x": 300, "y": 120 * row}
        nodes.append({"id": extract, "type": "dataset", "data": {"datasetId": dataset}, "position": place})
        place = {"x": 600, "y": 120 * row}
        nodes.append({"id": sync, "type": "mapping", "data": {"mappingId": mapping}, "position": place})
        edges += [{"source": "source", "target": extract}, {"source": extract, "target": sync}]
    numbered = [{"id": f"e{number}", **edge} for number, edge in enumerate(edges, 1)]
    return {"name": name, "app": APP, "owner": OWNER, "nodes": nodes, "edges": numbered}
