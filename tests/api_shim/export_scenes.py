"""Words for stories of exports over HTTP: rows to export, one export and its link, somebody without a token."""

import io
from typing import Any
from urllib.parse import urlsplit

import openpyxl
import psycopg2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from api_shim.schemas.exports import QUERY
from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.settings import Settings

MVP = "/api/v1/mvp"
CUSTOMERS = """
CREATE TABLE analytics.customer_360 AS
SELECT n AS customer_id, 'Customer ' || n AS name, 10.5 * n::numeric(10, 2) AS total_spent,
    date '2024-01-01' + n AS since, (ARRAY['north', 'south'])[1 + n % 2] AS region
FROM generate_series(1, 40) AS n;
GRANT SELECT ON analytics.customer_360 TO PUBLIC;
CREATE TABLE public.sales AS
SELECT 'Product ' || n % 5 AS product_name, date '2024-06-01' + n % 30 AS sale_date, n % 7 AS quantity,
    (n * 3.5)::numeric(12, 2) AS revenue FROM generate_series(1, 300) AS n;
CREATE VIEW public.daily_sales_aggregation AS
SELECT sale_date, count(*) AS sales, sum(revenue) AS total_revenue FROM public.sales GROUP BY sale_date;
GRANT SELECT ON public.sales, public.daily_sales_aggregation TO PUBLIC
"""


@pytest.fixture(autouse=True)
def _rows(shim_settings: Settings) -> None:
    with psycopg2.connect(libpq_url(shim_settings.url("warehouse"))) as connection, connection.cursor() as cursor:
        cursor.execute(CUSTOMERS)
    connection.close()


@pytest.fixture
def anybody(app: FastAPI, client: TestClient) -> TestClient:
    """Somebody without a token."""
    return TestClient(app, raise_server_exceptions=False)


def export(client: TestClient, path: str = "/export/excel", body: Any = QUERY) -> Any:
    reply = client.post(f"{MVP}{path}", json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


def link(made: Any) -> str:
    parts = urlsplit(made["download_url"])
    return f"{parts.path}?{parts.query}"


def workbook(content: bytes) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(content))


def files(settings: Settings) -> list[str]:
    return [each.name for each in settings.exports_path.iterdir()] if settings.exports_path.exists() else []
