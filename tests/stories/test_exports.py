"""Workbooks on the whole platform: asked for over REST, made by Dagster, fetched by a link without a token."""

import io
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import psutil

from api_shim.schemas.exports import REPORT
from tests.stories.conftest import RunningStack, wait_for

MVP = "/api/v1/mvp"
MANY = "SELECT n, n::bigint * 7919 AS account, md5(n::text) AS code FROM generate_series(1, 600000) AS n"


def opened(made: dict[str, Any]) -> openpyxl.Workbook:
    answer = httpx.get(made["download_url"], timeout=60)
    assert answer.status_code == 200, answer.text
    return openpyxl.load_workbook(io.BytesIO(answer.content), read_only=True)


def exporting_worker(folder: Path) -> int | None:
    """Pid of the process that has a half-written workbook open; None while there is none."""
    halves = {str(each) for each in folder.glob(".*.partial")}
    for each in psutil.process_iter() if halves else ():
        with suppress(psutil.Error):
            if halves & {file.path for file in each.open_files()}:
                return int(each.pid)
    return None


class TestAnExport:
    def test_of_the_documents_report_is_a_run_in_dagster(self, stack: RunningStack) -> None:
        answer = stack.api.post(f"{MVP}/export/excel/report", json=REPORT)

        assert answer.status_code == 200, answer.text
        assert opened(answer.json()).sheetnames == ["Overview", "Top Products", "Sales Trend", "Provenance"]
        query = {
            "query": '{ runsOrError(filter: {pipelineName: "export_workbook"}) { ... on Runs { results { status } } } }'
        }
        runs = httpx.post(f"{stack.ui_url}/graphql", json=query, timeout=30).json()["data"]["runsOrError"]["results"]
        assert {"status": "SUCCESS"} in runs

    def test_whose_worker_is_killed_is_made_by_the_next_one_and_nothing_is_left(self, stack: RunningStack) -> None:
        body = {"data_source": {"query": MANY}, "output_config": {"file_name": "many", "include_summary": True}}
        asked = stack.api.post(f"{MVP}/export/excel", json=body, headers={"Prefer": "respond-async"}).json()
        folder = stack.home / "exports"

        def killed() -> bool:
            worker = exporting_worker(folder)
            if worker is not None:
                os.kill(worker, signal.SIGKILL)
            return worker is not None

        wait_for(killed, 60)

        def shown() -> dict[str, Any]:
            found: dict[str, Any] = stack.api.get(asked["status_url"]).json()
            return found

        wait_for(lambda: shown()["status"] == "completed", 120)
        assert shown()["rows_exported"] == 600_000
        assert list(folder.glob(".*.partial")) == []
        [(workers,)] = stack.sql("CATALOGUE", "SELECT epoch FROM run WHERE kind = 'export' ORDER BY id DESC LIMIT 1")
        assert workers == 2
        assert stack.api.delete(asked["status_url"]).status_code == 200
        assert httpx.get(f"{stack.api.base_url}{asked['status_url']}/download", timeout=10).status_code == 401
