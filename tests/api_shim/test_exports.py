"""Excel exports over HTTP. Source: document 000, "Excel Export Service" and "Export Datamart to Excel"."""

import io
import re
from contextlib import closing
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote
from zipfile import ZipFile

import psycopg2
import pytest
from fastapi.testclient import TestClient

from api_shim.schemas.exports import QUERY, REPORT
from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.settings import Settings
from tests.api_shim.export_scenes import MVP, _rows, anybody, export, files, link, workbook

__all__ = ["_rows", "anybody"]


class TestAQuery:
    def test_is_exported_as_the_document_prints_it(self, client: TestClient, anybody: TestClient) -> None:
        made = export(client)

        assert made["export_id"].startswith("export_")
        assert made["file_name"] == "customer_analysis_2024_06.xlsx"
        assert made["rows_exported"] == 40
        assert made["sheets"] == ["Customer Data", "Summary", "Charts", "Provenance"]
        assert made["rows_left_out"] == 0
        assert made["file_size_mb"] > 0
        reply = anybody.get(link(made))
        assert reply.status_code == 200
        assert reply.headers["content-type"].endswith("spreadsheetml.sheet")
        assert 'filename="customer_analysis_2024_06.xlsx"' in reply.headers["content-disposition"]
        book = workbook(reply.content)
        assert book.sheetnames == made["sheets"]
        assert [each.value for each in book["Customer Data"][2]][:2] == [1, "Customer 1"]

    def test_the_link_ends_when_the_answer_says(self, client: TestClient) -> None:
        made = export(client)

        ends = datetime.fromisoformat(made["expires_at"])
        assert f"expires={int(ends.timestamp())}&" in link(made)
        assert timedelta(days=6.9) < ends - datetime.now(UTC) < timedelta(days=7)

    def test_little_has_to_be_said(self, client: TestClient, anybody: TestClient) -> None:
        made = export(client, body={"data_source": {"query": "SELECT 1 AS id"}})

        assert (made["sheets"], made["rows_exported"]) == (["Data", "Provenance"], 1)
        assert workbook(anybody.get(link(made)).content)["Data"]["A2"].value == 1

    def test_charts_are_those_that_were_asked_for(self, client: TestClient, anybody: TestClient) -> None:
        output = {**QUERY["output_config"], "chart_types": ["pie"], "max_rows": 10}
        made = export(client, body={**QUERY, "output_config": output})

        assert (made["rows_exported"], made["rows_left_out"]) == (10, 30)
        assert len(workbook(anybody.get(link(made)).content)["Charts"]._charts) == 1

    def test_a_query_that_does_more_than_read_is_refused(self, client: TestClient, shim_settings: Settings) -> None:
        for query in (
            "DELETE FROM public.sales",
            "SELECT pg_sleep(10)",
            "SELECT 1; COMMIT; DROP TABLE sales",
            "SELECT * FROM pg_ls_dir('/')",
            "COPY (SELECT 1) TO PROGRAM 'true'",
            "   ",
        ):
            reply = client.post(f"{MVP}/export/excel", json={"data_source": {"type": "query", "query": query}})

            assert reply.status_code == 422, query
            assert [each["field"] for each in reply.json()["errors"]] == ["data_source.query"]
        assert files(shim_settings) == []

    def test_a_query_that_fails_says_why(self, client: TestClient) -> None:
        reply = client.post(f"{MVP}/export/excel", json={"data_source": {"query": "SELECT * FROM no_such_table"}})

        assert (reply.status_code, reply.json()["code"]) == (422, "SOURCE_ERROR")
        assert "no_such_table" in reply.json()["detail"]

    def test_a_table_of_another_schema_is_pointed_to(self, client: TestClient) -> None:
        reply = client.post(f"{MVP}/export/excel", json={"data_source": {"query": "SELECT * FROM customer_360"}})

        assert [each["field"] for each in reply.json()["errors"]] == ["data_source.query"]
        assert "there is analytics.customer_360: name the schema too" in reply.json()["detail"]

    def test_one_that_meets_a_lock_may_be_asked_for_again(self, client: TestClient, shim_settings: Settings) -> None:
        table = {"name": "Sales", "type": "table", "query": "SELECT * FROM sales"}
        with (
            closing(psycopg2.connect(libpq_url(shim_settings.url("warehouse")))) as other,
            other.cursor() as cursor,
        ):
            cursor.execute("LOCK TABLE public.sales IN ACCESS EXCLUSIVE MODE")
            replies = [
                client.post(f"{MVP}/export/excel", json={"data_source": {"query": "SELECT * FROM sales"}}),
                client.post(f"{MVP}/export/excel/report", json={"report_name": "June", "sections": [table]}),
            ]

        for reply in replies:
            told = "Somebody has locked a table that this needs (public.sales); try again shortly"
            assert (reply.status_code, reply.json()["detail"]) == (503, told)
            assert "Retry-After" in reply.headers

    def test_what_the_query_cannot_give_is_said_of_its_place(self, client: TestClient) -> None:
        for query in (
            "SELECT 1 AS a, 2 AS a",
            "SELECT",
            "SELECT 1 / (n - 1) AS n FROM generate_series(1, 3) n",
            "SELECT x",
        ):
            body = {"data_source": {"query": query}}
            reply = client.post(f"{MVP}/export/excel", json=body)
            section = {"name": "s", "type": "table", "query": query}
            sections = [{"name": "first", "type": "summary", "data": {"a": 1}}, section]
            report = client.post(f"{MVP}/export/excel/report", json={"report_name": "r", "sections": sections})

            assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, "data_source.query")
            assert (report.status_code, report.json()["errors"][0]["field"]) == (422, "sections.1.query")

    def test_columns_may_be_called_count_and_like_formulas(self, client: TestClient, anybody: TestClient) -> None:
        query = 'SELECT region, count(*), sum(total_spent) AS "=Provenance!$B$4" FROM analytics.customer_360 GROUP BY 1'
        output = {"include_charts": True, "include_summary": True}

        made = export(client, body={"data_source": {"query": query}, "output_config": output})

        with ZipFile(io.BytesIO(anybody.get(link(made)).content)) as parts:
            charts = [parts.read(each).decode() for each in parts.namelist() if each.startswith("xl/charts/chart")]
        assert charts
        assert not [each for each in charts if re.search("<c:f>[^<]*Provenance", each)]

    def test_file_names_are_made_safe(self, client: TestClient, anybody: TestClient) -> None:
        for name, given in (('a"\r\nSet-Cookie: x', "a_Set-Cookie_ x.xlsx"), ("Отчёт за июнь", "Отчёт за июнь.xlsx")):
            body = {"data_source": {"query": "SELECT 1 AS id"}, "output_config": {"file_name": name}}
            made = export(client, body=body)

            assert made["file_name"] == given
            header = anybody.get(link(made)).headers["content-disposition"]
            assert header.isascii()
            assert unquote(header.partition("filename*=UTF-8''")[2]) == given

    def test_wrong_fields_are_named(self, client: TestClient) -> None:
        for wrong, field in (
            ({"sheet_name": ""}, "output_config.sheet_name"),
            ({"max_rows": "all"}, "output_config.max_rows"),
            ({"max_rows": 1.5}, "output_config.max_rows"),
            ({"max_rows": 0}, "output_config.max_rows"),
            ({"include_charts": "yes"}, "output_config.include_charts"),
            ({"template": "../../../etc/passwd"}, "output_config.template"),
            ({"colour": "red"}, "output_config.colour"),
        ):
            body = {"data_source": {"query": "SELECT 1 AS id"}, "output_config": wrong}
            reply = client.post(f"{MVP}/export/excel", json=body)

            assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, field)

    def test_formulas_in_the_data_stay_text(self, client: TestClient, anybody: TestClient) -> None:
        texts = ['=HYPERLINK("http://x","y")', "+1+1", "@SUM(A1)", "\r=1+1", "\uff1d1+1"]
        columns = ", ".join(f"'{text}' AS c{place}" for place, text in enumerate(texts))
        made = export(client, body={"data_source": {"query": f"SELECT {columns}"}})

        with ZipFile(io.BytesIO(anybody.get(link(made)).content)) as parts:
            sheets = [parts.read(each) for each in parts.namelist() if each.startswith("xl/worksheets/sheet")]
        assert not any(re.search(b"<f[ >]|<hyperlink", each) for each in sheets)


class TestADatamart:
    @pytest.fixture
    def datamart(self, client: TestClient) -> str:
        query = "SELECT customer_id, name, total_spent FROM analytics.customer_360"
        made = {"name": "customer_360_datamart", "type": "materialized_view", "query": query}
        assert client.post(f"{MVP}/datamarts/create", json=made).status_code == 200
        return "customer_360_datamart"

    def test_is_exported_under_its_name_and_the_day(self, client: TestClient, datamart: str) -> None:
        client.post(f"{MVP}/datamarts/{datamart}/refresh")
        body = {"schema": "analytics", "include_charts": True, "max_rows": 10}

        made = export(client, f"/export/excel/datamart/{datamart}", body)

        assert made["file_name"] == f"customer_360_datamart_{datetime.now(UTC):%Y_%m_%d}.xlsx"
        assert made["sheets"] == ["customer_360_datamart", "Charts", "Provenance"]
        assert (made["rows_exported"], made["rows_left_out"]) == (10, 30)

    def test_that_was_never_filled_is_a_conflict(self, client: TestClient, datamart: str) -> None:
        reply = client.post(f"{MVP}/export/excel/datamart/{datamart}", json={})

        assert (reply.status_code, reply.json()["code"]) == (409, "CONFLICT")

    def test_that_is_not_there_is_not_found(self, client: TestClient, datamart: str) -> None:
        for name, body in (("none", {}), (datamart, {"schema": "content"}), ("???", {})):
            assert client.post(f"{MVP}/export/excel/datamart/{name}", json=body).status_code in (404, 405)


class TestAReport:
    def test_has_its_sections_on_sheets(self, client: TestClient, anybody: TestClient) -> None:
        made = export(client, "/export/excel/report", REPORT)

        assert made["file_name"] == "monthly_sales_report_june_2024.xlsx"
        assert made["sheets"] == ["Overview", "Top Products", "Sales Trend", "Provenance"]
        book = workbook(anybody.get(link(made)).content)
        assert len(book["Sales Trend"]._charts) == 1
        assert book["Overview"]["B4"].value == 1250000

    def test_what_is_wrong_is_named_by_its_place(self, client: TestClient) -> None:
        for section, field in (
            ({"type": "table", "query": "DROP TABLE sales"}, "sections.0.query"),
            ({"type": "chart", "chart_type": "line", "data_source": "nowhere"}, "sections.0.data_source"),
            ({"type": "chart", "chart_type": "line", "data_source": "dataops.ledger"}, "sections.0.data_source"),
            ({"type": "chart", "chart_type": "line", "data_source": "a; b"}, "sections.0.data_source"),
            ({"type": "chart", "chart_type": "tree", "data_source": "sales"}, "sections.0.chart_type"),
            ({"type": "summary"}, "sections.0"),
            ({"type": "table", "query": "SELECT 1", "data": {}}, "sections.0"),
        ):
            body = {"report_name": "r", "sections": [{"name": "s", **section}]}
            reply = client.post(f"{MVP}/export/excel/report", json=body)

            assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, field)

    def test_has_no_more_sections_than_anybody_reads(self, client: TestClient) -> None:
        sections = [{"name": "s", "type": "table", "query": "SELECT 1 AS a"}] * 201

        assert (
            client.post(f"{MVP}/export/excel/report", json={"report_name": "r", "sections": sections}).status_code
            == 422
        )
