"""The demo: real aircraft data from three kinds of sources into ontology objects, driven over REST."""

import shutil
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dataops_defs.adapters.hosts import ALL_OTHERS
from dataops_defs.adapters.warehouse.connection import warehouse_connection
from dataops_defs.catalogue.database import catalogue_session
from dataops_defs.catalogue.watch_rows import WatchedFileRow, WatchRow
from dataops_defs.catalogue.watches import Watches
from dataops_defs.demo import definitions
from dataops_defs.demo.client import PREFIX, Client
from dataops_defs.demo.films import Films
from dataops_defs.demo.operations import make_operations
from dataops_defs.demo.shop import PIPELINES, open_shop
from dataops_defs.domain.importing import FileState
from dataops_defs.errors import DataOpsError, DependencyUnavailable
from dataops_defs.services.private_files import write_private
from dataops_defs.settings import Settings

DATA = Path(__file__).parent / "data"
FOLDER = "demo"
WATCHED = f"{FOLDER}/weather"
DONE = (FileState.IMPORTED, FileState.FAILED, FileState.SKIPPED, FileState.MISSING)
SECONDS_FOR_THE_FILE = 120


def main(settings: Settings) -> int:
    """Load the demo, run its pipeline, print the numbers; 0 when everything went well."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    try:
        Demo(settings, console).run()
    except DataOpsError as error:
        console.print(f"[red]The demo stopped:[/red] {error}")
        return 1
    return 0


class Demo:
    """The demo's steps, in order; each says what it does."""

    def __init__(self, settings: Settings, console: Console) -> None:
        self._settings = settings
        self._console = console
        token = settings.admin_token.get_secret_value() if settings.admin_token else settings.token_path.read_text()
        self._client = Client(settings.api_url, token.strip())
        self._ids: dict[str, str] = {}

    def run(self) -> None:
        """Everything."""
        self._say("Demo 1/6: files, operations database, the documents' example tables")
        connection = self._seed()
        self._say("Demo 2/6: sources, object types, datasets, mappings, pipeline, datamart")
        self._define(connection)
        self._say("Demo 3/6: running the pipeline through the REST API")
        execution = self._execute()
        self._say("Demo 4/6: refreshing the datamarts, one of them of a small shop with pipelines of its own")
        datamart = self._refresh()
        shop = open_shop(self._client, self._ids["conn_postgres_warehouse"])
        self._console.print(f"  {shop['datamart_name']}: {shop['rows_refreshed']} customers; {', '.join(PIPELINES)}")
        self._say("Demo 5/6: waiting for the watched folder's file")
        weather = self._imported()
        self._say("Demo 6/6: ETL pipelines: full, paused and resumed, then incremental")
        films = Films(self._client, self._settings.url("warehouse"), self._console).run()
        self._print(execution, datamart, weather)
        self._console.print(films)

    def _say(self, text: str) -> None:
        self._console.print(f"[bold]{text}[/bold]")

    def _seed(self) -> dict[str, Any]:
        target = self._settings.roots[0] / FOLDER
        (self._settings.roots[0] / WATCHED).mkdir(parents=True, exist_ok=True)
        for name in ("planes.csv", "airports.xlsx"):
            shutil.copyfile(DATA / name, target / name)
        arrived = self._settings.roots[0] / WATCHED / "weather_2013_01.csv"
        if not arrived.exists():
            shutil.copyfile(DATA / "weather_2013_01.csv", arrived)
        with warehouse_connection(self._settings.url("warehouse")) as connection, connection.cursor() as cursor:
            cursor.execute((DATA.parent / "examples.sql").read_text())
        operations = make_operations(self._settings.url("superuser"), DATA)
        self._list_host(f"{operations['host']}:{operations['port']}")
        return operations

    def _list_host(self, host: str) -> None:
        """Let sources name the demo's own database, which lies on this machine, where nobody has made a list."""
        if not self._settings.allowed_hosts and host not in self._settings.hosts:
            write_private(self._settings.hosts_path, "\n".join([host, *sorted(self._settings.hosts | {ALL_OTHERS})]))

    def _define(self, connection: dict[str, Any]) -> None:
        self._watch()
        for body in [*definitions.sources(FOLDER, connection), self._warehouse_source()]:
            self._keep("sources", body)
            test = self._client.send("POST", f"{PREFIX}/sources/{self._ids[body['name']]}/test")
            if not test["success"]:
                raise DataOpsError(f"Source '{body['name']}' does not answer: {test['message']}")
            self._console.print(f"  {body['name']}: {test['message']}")
        for body in definitions.OBJECT_TYPES:
            self._keep("object-types", body)
        for source, body in definitions.DATASETS:
            self._keep("datasets", {**body, "sourceId": self._ids[source]})
        for dataset, body in definitions.MAPPINGS:
            self._keep("mappings", {**body, "datasetId": self._ids[dataset]})
        self._keep("pipelines", definitions.pipeline(self._ids))
        try:
            self._client.send("POST", "/api/v1/mvp/datamarts/create", definitions.DATAMART)
        except DataOpsError as error:
            if "already" not in str(error):
                raise

    def _keep(self, kind: str, body: dict[str, Any]) -> None:
        self._ids[body["name"]] = self._client.ensure(kind, body)["id"]

    def _warehouse_source(self) -> dict[str, Any]:
        from sqlalchemy import make_url

        url = make_url(self._settings.url("reader"))
        return {
            "name": "conn_postgres_warehouse",
            "type": "postgres",
            "description": "The warehouse itself, read as the role that may only SELECT",
            "connection": {
                "host": url.host or "127.0.0.1",
                "port": url.port or 5432,
                "database": url.database,
                "username": url.username,
                "password": url.password,
            },
        }

    def _watch(self) -> None:
        with catalogue_session(self._settings.url("catalogue")) as session:
            watches = Watches(session)
            if watches.by_slug("weather_files") is None:
                watches.add(
                    WatchRow(
                        name="Weather files",
                        app=definitions.APP,
                        owner=definitions.OWNER,
                        description="Hourly weather at the three airports, a file a month",
                        folder=WATCHED,
                        patterns=[{"pattern": "*.csv"}],
                        target_table="weather",
                    )
                )

    def _execute(self) -> dict[str, Any]:
        pipeline = self._ids[definitions.PIPELINE_NAME]
        answer = self._client.send("POST", f"{PREFIX}/pipelines/{pipeline}/execute", wait=False)
        told: set[str] = set()

        def tell(execution: dict[str, Any]) -> None:
            for step in execution["steps"]:
                line = f"  {step['kind']} {step['name']}"
                if step.get("completedAt") and line not in told:
                    told.add(line)
                    self._console.print(f"{line}: {step['rowsDone']:,} rows")

        done = self._client.execution(answer.get("id") or answer["executionId"], tell)
        if done["status"] != "completed":
            raise DataOpsError(f"The pipeline {done['status']}: {done.get('error')}")
        return done

    def _refresh(self) -> dict[str, Any]:
        name = definitions.DATAMART["name"]
        answer: dict[str, Any] = self._client.send("POST", f"/api/v1/mvp/datamarts/{name}/refresh", {})
        return answer

    def _imported(self) -> WatchedFileRow:
        deadline = time.monotonic() + SECONDS_FOR_THE_FILE
        while time.monotonic() < deadline:
            with catalogue_session(self._settings.url("catalogue")) as session:
                found = session.query(WatchedFileRow).filter(WatchedFileRow.status.in_(DONE)).first()
            if found is not None:
                if found.status is not FileState.IMPORTED:
                    raise DataOpsError(f"The watched file was not imported: {found.error}")
                return found
            time.sleep(1)
        raise DependencyUnavailable(f"The watched file was not imported within {SECONDS_FOR_THE_FILE} s")

    def _print(self, execution: dict[str, Any], datamart: dict[str, Any], weather: WatchedFileRow) -> None:
        names = ("read", "inserted", "updated", "unchanged", "rejected", "filtered")
        table = Table(title="What became of every row", title_justify="left")
        table.add_column("step", no_wrap=True)
        for name in names:
            table.add_column(name, justify="right")
        for step in execution["steps"]:
            table.add_row(f"{step['kind']} · {step['name']}", *(f"{step['ledger'].get(name, 0):,}" for name in names))
        self._console.print(table)
        aircraft = next(
            step["ledger"] for step in execution["steps"] if step["name"] == "Aircraft Registry to aircraft"
        )
        accounted = sum(aircraft[name] for name in names[1:])
        self._console.print(f"Planes read: {aircraft['read']:,}; accounted for: {accounted:,}")
        for step in execution["steps"]:
            for check in step["checks"]:
                if not check["passed"]:
                    told_of = check.keys() - {"name", "passed", "description"}
                    counts = {key: check[key] for key in sorted(told_of)}
                    told = ", ".join(f"{key} {value:,}" for key, value in counts.items())
                    self._console.print(f"Check {check['name']} of '{step['name']}' warns: {told}")
        self._console.print(f"Datamart analytics.{datamart['datamart_name']}: {datamart['rows_refreshed']:,} aircraft")
        self._console.print(f"Watched folder: {weather.path} is {weather.status}")
