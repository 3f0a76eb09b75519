"""An export is a run: its workbook appears whole or not at all, and every row is exported or counted as left out."""

import io
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest

import dataops_defs.flows.export_tables as export_tables
from dataops_defs.adapters.storage.exports import ExportStore
from dataops_defs.catalogue.base import new_id, now
from dataops_defs.catalogue.export_rows import ExportRow
from dataops_defs.catalogue.exports import Exports
from dataops_defs.catalogue.leases import Leases
from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.run_control import RunControl
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.export import ChartType, ExportKind, Section, SectionType, Template, Wanted, file_name
from dataops_defs.errors import Conflict, InsufficientStorage, RunStopped, SourceError, StaleWorker
from dataops_defs.flows.disk_space import Room
from dataops_defs.flows.export_workbook import export_workbook
from dataops_defs.flows.lease import Lease
from dataops_defs.flows.outbox import reap
from dataops_defs.flows.outcome import Outcome
from dataops_defs.flows.purge_exports import purge_exports
from dataops_defs.flows.work import Work
from tests.scenes import World

SALES = """
CREATE TABLE public.sales AS
SELECT n AS sale_id, 'Product ' || n %% 5 AS product_name, date '2024-06-01' + n %% 30 AS sale_date,
    (n * 3.5)::numeric(12, 2) AS revenue FROM generate_series(1, 100) AS n;
GRANT SELECT ON public.sales TO PUBLIC
"""
TABLE = Section("Sales", SectionType.TABLE, "SELECT * FROM sales ORDER BY sale_id")
SIMPLE = Wanted(ExportKind.QUERY, "sales", [TABLE])


@pytest.fixture(autouse=True)
def _sales(world: World) -> None:
    world.sql(SALES)


def asked(world: World, wanted: Wanted = SIMPLE, **more: Any) -> str:
    expires_at = more.pop("expires_at", now() + timedelta(days=7))
    with world.platform.catalogue() as session:
        row = ExportRow(
            kind=wanted.kind,
            title=wanted.title,
            file_name=file_name(wanted.title),
            wanted=wanted.as_json(),
            requested_by="somebody",
            expires_at=expires_at,
            **more,
        )
        return Exports(session).add(row).id


def exported(world: World, wanted: Wanted = SIMPLE) -> tuple[Outcome, openpyxl.Workbook]:
    id = asked(world, wanted)
    outcome = export_workbook(world.work(), id)
    return outcome, openpyxl.load_workbook(io.BytesIO(file_of(world, id).read_bytes()))


def row_of(world: World, id: str) -> ExportRow:
    with world.platform.catalogue() as session:
        return Exports(session).get(id)


def store(world: World) -> ExportStore:
    return ExportStore(world.platform.settings.exports_path)


def file_of(world: World, id: str) -> Path:
    place = row_of(world, id).place
    assert place is not None
    return store(world).path(place)


def files(world: World) -> list[str]:
    folder = world.platform.settings.exports_path
    return sorted(each.name for each in folder.iterdir()) if folder.exists() else []


def values(book: openpyxl.Workbook, sheet: str) -> Sequence[tuple[Any, ...]]:
    return list(book[sheet].iter_rows(values_only=True))


def facts(book: openpyxl.Workbook) -> dict[str, str]:
    return {row[0]: row[1] for row in values(book, "Provenance")[3:] if row[0]}


def notes_of(book: openpyxl.Workbook) -> list[str]:
    return [row[1] for row in values(book, "Provenance")[3:] if row[0] == "Note"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.xfail("this machine lets nobody mount a file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


class TestAQuery:
    def test_becomes_a_sheet_with_its_rows(self, world: World) -> None:
        outcome, book = exported(world)

        assert book.sheetnames == ["Sales", "Provenance"]
        rows = values(book, "Sales")
        assert rows[0] == ("sale_id", "product_name", "sale_date", "revenue")
        assert rows[1] == (1, "Product 1", datetime(2024, 6, 2), 3.5)
        assert len(rows) == 101
        assert (outcome.ledger.read, outcome.ledger.inserted, outcome.total_rows) == (100, 100, 100)

    def test_comes_with_a_summary_and_charts_when_they_are_wanted(self, world: World) -> None:
        _, book = exported(world, replace(SIMPLE, summary=True, charts=list(ChartType)))

        assert book.sheetnames == ["Sales", "Summary", "Charts", "Provenance"]
        line = next(row for row in values(book, "Summary") if row[0] == "revenue")
        assert line == ("revenue", "decimal number", 100, 0, 100, 3.5, 350, 176.75, 17675)
        assert len(book["Charts"]._charts) == 3

    def test_tells_where_it_comes_from(self, world: World) -> None:
        work = world.work()
        id = asked(world)
        export_workbook(work, id)
        told = facts(openpyxl.load_workbook(file_of(world, id)))

        assert told["Made from"] == TABLE.query
        assert (told["Rows exported"], told["Rows left out"]) == ("100", "none")
        assert (told["Execution"], told["Asked for by"]) == (work.run_id, "somebody")

    def test_keeps_as_text_what_no_cell_can_hold_as_a_moment(self, world: World) -> None:
        query = """SELECT n, CASE n WHEN 40000 THEN 'infinity' ELSE timestamp '2024-01-01' END AS until,
            date '0044-03-15 BC' AS ides, time '24:00' AS midnight, date '2024-01-01' AS day
            FROM generate_series(1, 40000) n"""

        outcome, book = exported(world, replace(SIMPLE, sections=[replace(TABLE, query=query)]))

        rows = values(book, "Sales")
        assert rows[1] == (1, "2024-01-01 00:00:00", "0044-03-15 BC", "24:00:00", datetime(2024, 1, 1))
        assert rows[40000][1] == "infinity"
        assert (outcome.total_rows, len(rows)) == (40000, 40001)
        notes = notes_of(book)
        assert "Column 'until' is kept as text: it holds 'infinity', which is no value of its type in Excel" in notes

    def test_says_what_its_summary_leaves_out(self, world: World) -> None:
        query = "SELECT unnest(ARRAY[1, 3, 'NaN', 'Infinity']::float8[]) AS v"
        _, book = exported(world, replace(SIMPLE, sections=[replace(TABLE, query=query)], summary=True))

        told = "Min, Max, Mean and Sum of column 'v' leave out 2 values"
        assert sum(each.startswith(told) for each in notes_of(book)) == 1
        assert values(book, "Summary")[-1][0].startswith(told)

    def test_reads_as_the_role_that_may_only_read(self, world: World) -> None:
        world.sql("CREATE SCHEMA vault; CREATE TABLE vault.secrets AS SELECT 'hidden' AS word")
        wanted = replace(SIMPLE, sections=[replace(TABLE, query="SELECT * FROM vault.secrets")])

        with pytest.raises(SourceError, match="permission denied"):
            export_workbook(world.work(), asked(world, wanted))
        assert files(world) == []

    def test_that_takes_too_long_is_ended(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(export_tables, "READ_SECONDS", 0.5)
        endless = "WITH RECURSIVE r AS (SELECT 1 n UNION ALL SELECT n + 1 FROM r) SELECT count(*) AS n FROM r"

        with pytest.raises(SourceError, match=r"longer than 0\.5 s"):
            export_workbook(world.work(), asked(world, replace(SIMPLE, sections=[replace(TABLE, query=endless)])))


class TestALimit:
    def test_leaves_rows_out_and_counts_them(self, world: World) -> None:
        outcome, book = exported(world, replace(SIMPLE, max_rows=30))

        assert len(values(book, "Sales")) == 31
        assert outcome.details["rowsLeftOut"] == 70
        assert (outcome.ledger.read, outcome.ledger.inserted, outcome.ledger.filtered) == (100, 30, 70)
        assert facts(book)["Rows left out"] == "70 of 'Sales': at most 30 rows were asked for"

    def test_that_is_not_reached_leaves_none_out(self, world: World) -> None:
        for limit in (100, 101):
            outcome, _ = exported(world, replace(SIMPLE, max_rows=limit))

            assert (outcome.total_rows, outcome.details["rowsLeftOut"]) == (100, 0)

    def test_says_so_where_nobody_counted_to_the_end(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(export_tables, "COUNT_SECONDS", 0.0)
        many = replace(TABLE, query="SELECT n, repeat('x', 400) AS t FROM generate_series(1, 60000) AS n")

        outcome, book = exported(world, replace(SIMPLE, sections=[many], max_rows=10))

        assert outcome.details["rowsLeftOut"] is None
        assert facts(book)["Rows left out"].startswith("more than ")

    def test_of_the_platform_holds_for_everybody(self, world: World) -> None:
        world.platform.settings.export_max_rows = 7

        assert exported(world, replace(SIMPLE, max_rows=10**12))[0].details["rowsLeftOut"] == 93


class TestAReport:
    REPORT = Wanted(
        ExportKind.REPORT,
        "Sales in June",
        [
            Section("Overview", SectionType.SUMMARY, values={"total_sales": 1250000, "=1+1": "=2+2", "good": True}),
            Section("Top Products", SectionType.TABLE, "SELECT product_name, sum(revenue) AS r FROM sales GROUP BY 1"),
            Section(
                "Trend",
                SectionType.CHART,
                "SELECT sale_date, sum(revenue) AS revenue FROM sales GROUP BY 1",
                of="public.daily_sales",
                chart=ChartType.LINE,
            ),
        ],
    )

    @pytest.mark.parametrize("template", list(Template))
    def test_has_a_sheet_for_each_section_below_its_title(self, world: World, template: Template) -> None:
        outcome, book = exported(world, replace(self.REPORT, template=template))

        assert book.sheetnames == ["Overview", "Top Products", "Trend", "Provenance"]
        assert outcome.details["sheets"] == book.sheetnames
        assert {book[each]["A1"].value for each in book.sheetnames[:3]} == {"Sales in June"}
        assert values(book, "Overview")[3:] == [("Total sales", 1250000), ("'=1+1", "'=2+2"), ("Good", "yes")]
        assert book["Top Products"].freeze_panes == "A5"
        assert [each.value for each in book["Top Products"][4]] == ["product_name", "r"]
        assert len(book["Trend"]._charts) == 1
        assert facts(book)["Section 'Trend'"] == "public.daily_sales"

    def test_says_which_values_could_not_stay_as_they_were(self, world: World) -> None:
        overview = Section("Overview", SectionType.SUMMARY, values={"story": "x" * 40_000, "sum": "=2+2"})
        _, book = exported(world, replace(self.REPORT, sections=[overview]))

        assert len(values(book, "Overview")[3][1]) == 32_767
        assert "1 text of 'Overview' is cut: a cell holds 32,767 characters" in notes_of(book)
        assert any(each.startswith("1 text of 'Overview' is given a quote (')") for each in notes_of(book))

    def test_names_the_section_that_fails(self, world: World) -> None:
        broken = replace(self.REPORT, sections=[replace(TABLE, name="Missing", query="SELECT * FROM no_such_table")])

        with pytest.raises(SourceError, match=r"^sections\.0\.query: section 'Missing': .*no_such_table"):
            export_workbook(world.work(), asked(world, broken))


class TestTheFile:
    def test_is_not_there_when_the_run_fails(self, world: World) -> None:
        failing = replace(TABLE, query="SELECT 1 / (50000 - n) AS n, repeat('x', 400) FROM generate_series(1, 60000) n")

        with pytest.raises(SourceError, match="division by zero"):
            export_workbook(world.work(), asked(world, replace(SIMPLE, sections=[failing])))
        assert files(world) == []

    def test_is_not_there_when_the_disk_fills_up(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(export_tables, "room_of", lambda *_: Room.FULL)

        with pytest.raises(InsufficientStorage, match="disk of exports"):
            export_workbook(world.work(), asked(world))
        assert files(world) == []

    def test_is_not_there_when_its_own_small_disk_runs_full_in_the_middle(self, world: World, disk: Path) -> None:
        world.platform.settings.export_folder = disk / "exports"
        wide = "SELECT n, md5(n::text) || md5((n + 1)::text) AS t FROM generate_series(1, 60000) AS n"

        with pytest.raises(InsufficientStorage, match="disk of exports"):
            export_workbook(world.work(), asked(world, replace(SIMPLE, sections=[replace(TABLE, query=wide)])))
        assert files(world) == []

    def test_is_not_there_when_the_run_is_cancelled(self, world: World) -> None:
        slow = "SELECT n, md5((n * m)::text) AS t FROM generate_series(1, 4000) n, generate_series(1, 4000) m"
        work, id = world.work(), asked(world, replace(SIMPLE, sections=[replace(TABLE, query=slow)]))
        ended: list[BaseException] = []

        def run() -> None:
            try:
                with work.lease.kept():
                    export_workbook(work, id)
            except BaseException as error:
                ended.append(error)

        worker = threading.Thread(target=run)
        worker.start()
        while not any(each.endswith(".partial") for each in files(world)):
            time.sleep(0.02)
        with world.platform.catalogue() as session:
            RunControl(session).cancel(work.run_id)
        worker.join(20)

        assert isinstance(ended[0], RunStopped)
        assert files(world) == []

    def test_of_a_killed_worker_gives_way_to_its_successors(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        work, id = world.work(), asked(world)
        with monkeypatch.context() as patched:
            patched.setattr(export_tables, "room_of", killed)
            with pytest.raises(StaleWorker):
                export_workbook(work, id)
        with world.platform.catalogue() as session:
            (step,) = Runs(session).steps(work.run_id)
        store(world).path(f".{step.id}.dead.partial").write_bytes(b"half")

        done = export_workbook(successor(world, work), id)

        assert done.total_rows == 100
        assert files(world) == [f"{id}.2.xlsx"]

    def test_is_made_once_however_many_workers_the_run_needs(self, world: World) -> None:
        work, id = world.work(), asked(world)
        export_workbook(work, id)
        first = file_of(world, id).stat()

        again = export_workbook(successor(world, work), id)

        assert (again.total_rows, again.details["sheets"]) == (100, ["Sales", "Provenance"])
        assert file_of(world, id).stat() == first

    def test_of_a_revoked_export_is_not_made(self, world: World) -> None:
        id = asked(world, revoked_at=now())

        with pytest.raises(Conflict, match="revoked"):
            export_workbook(world.work(), id)
        assert files(world) == []


def killed(*_: Any) -> Room:
    raise StaleWorker("Another worker continues this run")


def successor(world: World, work: Work) -> Work:
    """The work in the hands of the next worker, after the first one's lease has ended."""
    with world.platform.catalogue() as session:
        session.get_one(RunRow, work.run_id).lease_until = now() - timedelta(seconds=1)
    reap(world.platform)
    with world.platform.catalogue() as session:
        held = Leases(session).begin(work.run_id, new_id())
    assert held is not None
    return Work(world.platform, Lease(world.platform, held), say=lambda _text: None)


class TestRetention:
    def test_removes_what_is_expired_or_revoked_and_keeps_the_rest(self, world: World) -> None:
        kept, expired, revoked = (asked(world) for _ in range(3))
        for each in (kept, expired, revoked):
            export_workbook(world.work(), each)
        with world.platform.catalogue() as session:
            Exports(session).get(expired).expires_at = now() - timedelta(seconds=1)
            Exports(session).get(revoked).revoked_at = now()

        gone = purge_exports(world.platform, lambda _text: None, datetime.now(UTC))

        assert gone.items == 2
        assert files(world) == [file_of(world, kept).name]
        assert row_of(world, expired).removed_at is not None
        assert purge_exports(world.platform, lambda _text: None, datetime.now(UTC)).items == 0

    def test_removes_what_dead_workers_left_once_none_can_be_alive(self, world: World) -> None:
        folder = world.platform.settings.exports_path
        folder.mkdir(parents=True)
        for name in (".step.1234.partial", f"{asked(world)}.1.xlsx"):
            (folder / name).write_bytes(b"x" * 10)

        assert purge_exports(world.platform, lambda _text: None, datetime.now(UTC)).items == 0
        later = datetime.now(UTC) + timedelta(days=2)
        assert purge_exports(world.platform, lambda _text: None, later).items == 2
        assert files(world) == []
