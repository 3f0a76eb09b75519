"""Imports of files: complete or not at all, each content once, in types that are proven over all of it."""

import bz2
import gzip
import lzma
import threading
from pathlib import Path
from typing import Any

import openpyxl
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from dataops_defs.domain.importing import ImportState, LoadMode, TargetFormat
from dataops_defs.errors import Conflict, Invalid, SourceError
from dataops_defs.flows import import_load
from dataops_defs.flows.import_file import import_file
from dataops_defs.flows.import_lake import lake_of
from tests.flows.import_scenes import CUSTOMERS, DECLARED, TYPES, a_run, asked, found, imported, put, rejects, worker
from tests.mailbox import SENDER, Mailbox
from tests.scenes import World


class TestAFile:
    def test_becomes_a_table_in_types_that_are_told_and_explained(self, world: World) -> None:
        done = imported(world, put(world, "customers.csv", CUSTOMERS))

        assert (done.state, done.rows_imported, done.rows_rejected) == (ImportState.COMPLETED, 3, 0)
        assert done.inferred_schema == TYPES
        assert done.explanations is not None
        assert done.explanations["zip"] == "text: 1 of 3 values have leading zeros, first in row 1"
        assert world.sql("SELECT customer_id, name, zip, balance FROM raw.customers ORDER BY 1")[2] == (
            1003,
            None,
            "10001",
            pytest.approx(0.25),
        )
        assert world.sql("SELECT subject_kind, read, inserted FROM dataops.ledger") == [("import", 3, 3)]

    def test_of_codes_late_in_it_is_text_and_says_where(self, world: World) -> None:
        lines = [*(str(100_000 + number) for number in range(20_000)), "00042", "7"]
        content = "code,one\n" + "".join(f"{line},1\n" for line in lines)
        done = imported(world, put(world, "codes.csv", content), "codes")
        assert done.inferred_schema == {"code": "TEXT", "one": "BIGINT"}
        assert done.explanations is not None
        assert done.explanations["code"] == "text: 1 of 20,002 values have leading zeros, first in row 20001"

    @pytest.mark.parametrize(
        ("form", "ending"),
        [("csv", ".zst"), ("tsv", ".bz2"), ("json", ""), ("jsonl", ".xz"), ("parquet", ".gz"), ("xlsx", "")],
    )
    def test_of_any_format_packed_or_not_gives_the_same_rows(
        self, world: World, tmp_path: Path, form: str, ending: str
    ) -> None:
        pack = {
            "": bytes,
            ".gz": gzip.compress,
            ".bz2": bz2.compress,
            ".xz": lzma.compress,
            ".zst": zstandard.ZstdCompressor().compress,
        }[ending]
        imported(world, put(world, f"cities.{form}{ending}", pack(_as(form, tmp_path))), "cities")
        assert world.sql("SELECT name, size::bigint, code FROM raw.cities ORDER BY name") == [
            ("Köln", 1_087_863, "050"),
            ("Riga", 605_273, "010"),
        ]

    def test_with_nested_values_keeps_them_as_jsonb(self, world: World) -> None:
        content = '[{"id": 1, "at": {"city": "Riga"}, "tags": [1, 2]}, {"id": 2, "at": null, "tags": []}]'
        done = imported(world, put(world, "nested.json", content), "nested")
        assert done.inferred_schema == {"id": "BIGINT", "at": "JSONB", "tags": "JSONB"}
        assert world.sql("SELECT at->>'city', jsonb_array_length(tags) FROM raw.nested ORDER BY id") == [
            ("Riga", 2),
            (None, 0),
        ]

    def test_that_is_no_file_of_its_kind_fails_with_a_reason_and_makes_no_table(self, world: World) -> None:
        for name, content in (("broken.parquet", b"PAR1 no"), ("broken.json", b'[{"a": 1}, {"a"'), ("empty.csv", b"")):
            id = asked(world, put(world, name, content), "broken")
            with pytest.raises(SourceError):
                import_file(world.work(), id)
            assert found(world, id).state is ImportState.FAILED
            assert found(world, id).error
        assert world.sql(DECLARED, "broken") == []

    def test_that_unfolds_too_far_is_refused(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dataops_defs.adapters.storage.packing.SMALL", 1024 * 1024)
        for name, pack in (("bomb.csv.xz", lzma.compress), ("bomb.csv.bz2", bz2.compress)):
            id = asked(world, put(world, name, pack(b"a,b\n" + bytes(64 * 1024 * 1024))), "bomb")
            with pytest.raises(SourceError, match="unfolds to more than 500 times"):
                import_file(world.work(), id)

    def test_whose_end_is_cut_off_is_marked_as_suspect(self, world: World) -> None:
        done = imported(world, put(world, "cut.csv", CUSTOMERS[:-4]))
        assert (done.rows_imported, done.suspect) == (3, "its last line has no end: the file may be cut off")
        assert imported(world, put(world, "whole.csv", CUSTOMERS), "whole").suspect is None

    def test_is_not_imported_while_its_manifest_names_another_content(self, world: World) -> None:
        path = put(world, "cut.csv", CUSTOMERS[:-4])
        put(world, "cut.csv.sha256", "0" * 64 + "  cut.csv\n")
        id = asked(world, path)
        with pytest.raises(SourceError, match="is not the file that"):
            import_file(world.work(), id)
        done = imported(world, put(world, "whole.csv", CUSTOMERS), "whole")
        put(world, "whole.csv.sha256", f"{done.content_hash}  whole.csv\n")
        assert imported(world, "whole.csv", "whole").unchanged

    def test_that_shrinks_while_it_is_read_lands_no_row(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        path = put(world, "shrinks.csv", CUSTOMERS * 50)
        load = import_load.load_csv_file

        def shrinking(*given: Any, **more: Any) -> Any:
            done = load(*given, **more)
            with (world.files / path).open("r+b") as file:
                file.truncate(100)
            return done

        monkeypatch.setattr(import_load, "load_csv_file", shrinking)
        id = asked(world, path)
        with pytest.raises(SourceError, match="changed while it was read"):
            import_file(world.work(), id)
        assert world.sql(DECLARED, "customers") == []

    def test_that_is_replaced_while_it_is_read_is_read_as_it_was(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path, other = put(world, "swapped.csv", CUSTOMERS), put(world, "other.csv", "customer_id,name\n9,Zed\n")
        load = import_load.load_csv_file

        def replacing(*given: Any, **more: Any) -> Any:
            (world.files / other).rename(world.files / path)
            return load(*given, **more)

        monkeypatch.setattr(import_load, "load_csv_file", replacing)
        done = imported(world, path)
        monkeypatch.undo()
        assert done.rows_imported == 3
        assert imported(world, path).content_hash != done.content_hash


class TestTheSameFileAgain:
    def test_changes_nothing_and_says_so(self, world: World) -> None:
        path = put(world, "customers.csv", CUSTOMERS)
        first, again = imported(world, path), imported(world, path)
        assert (first.unchanged, again.unchanged) == (False, True)
        assert (again.rows_imported, again.inferred_schema) == (3, TYPES)
        assert world.sql("SELECT count(*) FROM raw.customers") == [(3,)]

    def test_read_otherwise_is_loaded_anew(self, world: World) -> None:
        path = put(world, "customers.csv", CUSTOMERS)
        imported(world, path)
        again = imported(world, path, data_types={"customer_id": "TEXT"})
        assert (again.unchanged, again.inferred_schema) == (False, TYPES | {"customer_id": "TEXT"})

    def test_is_loaded_anew_once_somebody_has_dropped_its_table(self, world: World) -> None:
        path = put(world, "customers.csv", CUSTOMERS)
        imported(world, path)
        world.sql("DROP TABLE raw.customers")
        assert not imported(world, path).unchanged
        assert world.sql("SELECT count(*) FROM raw.customers") == [(3,)]

    def test_in_a_new_version_takes_the_table_s_place(self, world: World) -> None:
        path = put(world, "customers.csv", CUSTOMERS)
        imported(world, path)
        put(world, "customers.csv", "customer_id,phone\n1,555\n")
        assert imported(world, path).rows_imported == 1
        assert world.sql("SELECT * FROM raw.customers") == [(1, 555)]

    def test_at_the_same_moment_is_there_once(self, world: World) -> None:
        path = put(world, "customers.csv", CUSTOMERS)
        ids = [asked(world, path, mode=LoadMode.APPEND) for _ in range(4)]
        threads = [threading.Thread(target=import_file, args=(world.work(), id)) for id in ids]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert world.sql("SELECT count(*) FROM raw.customers") == [(3,)]
        assert sorted(found(world, id).unchanged for id in ids) == [False, True, True, True]

    def test_after_its_worker_died_is_neither_doubled_nor_lost(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        id = asked(world, put(world, "customers.csv", CUSTOMERS), mode=LoadMode.APPEND)
        run = a_run(world, id)
        end = "dataops_defs.flows.import_file.end_import"

        def dies(*_: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(end, dies)
        with pytest.raises(KeyboardInterrupt):
            import_file(worker(world, run), id)
        assert found(world, id).state is ImportState.IMPORTING
        monkeypatch.undo()
        import_file(worker(world, run), id)
        assert found(world, id).rows_imported == 3
        assert world.sql("SELECT count(*) FROM raw.customers") == [(3,)]


class TestATable:
    def test_that_something_else_has_made_is_not_touched(self, world: World) -> None:
        world.sql("CREATE TABLE raw.customers AS SELECT 1 AS mine")
        id = asked(world, put(world, "customers.csv", CUSTOMERS))
        with pytest.raises(Conflict, match="no import has made it"):
            import_file(world.work(), id)
        assert world.sql("SELECT mine FROM raw.customers") == [(1,)]

    def test_of_another_file_is_not_touched(self, world: World) -> None:
        imported(world, put(world, "customers.csv", CUSTOMERS))
        id = asked(world, put(world, "others.csv", "a,b\n1,2\n"))
        with pytest.raises(Conflict, match=r"holds the rows of customers\.csv"):
            import_file(world.work(), id)

    def test_that_gathers_grows_with_each_file(self, world: World) -> None:
        imported(world, put(world, "a.csv", "id,n\n1,1\n"), "all", mode=LoadMode.APPEND)
        imported(world, put(world, "b.csv", "id,n,more\n2,2,x\n"), "all", mode=LoadMode.APPEND)
        assert world.sql("SELECT id, n, more FROM raw.all ORDER BY 1") == [(1, 1, None), (2, 2, "x")]

    def test_that_gathers_rejects_rows_that_do_not_fit_its_columns(self, world: World) -> None:
        imported(world, put(world, "a.csv", "id,day,n\n1,2024-01-01,1\n"), "all", mode=LoadMode.APPEND)
        later = put(world, "b.csv", "id,day,n\n2,2024-01-02,2.5\nx,2024-01-03,3\n4,soon,4\n")
        done = imported(world, later, "all", mode=LoadMode.APPEND)
        assert (done.rows_imported, done.rows_rejected) == (1, 2)
        assert [(number, column) for number, column, *_ in rejects(world, done.id)] == [(2, "id"), (3, "day")]
        lines = '{"id": 5, "day": "2024-01-05"}\n{"id": "y", "day": "2024-01-06"}\n'
        done = imported(world, put(world, "c.jsonl", lines), "all", mode=LoadMode.APPEND)
        assert (done.rows_imported, done.rows_rejected) == (1, 1)
        assert world.sql("SELECT id, n::text FROM raw.all ORDER BY 1") == [(1, "1.0"), (2, "2.5"), (5, None)]

    def test_of_parquet_gathers_files_of_the_same_columns_only(self, world: World) -> None:
        more: dict[str, Any] = {"mode": LoadMode.APPEND, "format": TargetFormat.PARQUET}
        imported(world, put(world, "a.csv", "id,n\n1,1\n"), "all", **more)
        imported(world, put(world, "b.csv", "id,n\n2,2\n"), "all", **more)
        with pytest.raises(Conflict, match="'n' is text, there bigint"):
            imported(world, put(world, "c.csv", "id,n\n3,x\n"), "all", **more)


class TestOtherStores:
    def test_parquet_goes_to_the_raw_store(self, world: World) -> None:
        path = put(world, "customers.csv", CUSTOMERS)
        done = imported(world, path, format=TargetFormat.PARQUET)
        assert done.uri is not None
        with world.platform.raw_store.parquet(done.uri) as file:
            assert (file.metadata.num_rows, file.schema_arrow.names) == (3, list(TYPES))
        assert imported(world, path, format=TargetFormat.PARQUET).uri == done.uri

    @pytest.mark.parametrize("kind", [pa.decimal256(60, 2), pa.duration("s")])
    def test_the_lake_names_a_column_that_it_cannot_keep(self, world: World, tmp_path: Path, kind: pa.DataType) -> None:
        pq.write_table(pa.table({"odd": pa.array([1], pa.int64()).cast(kind)}), tmp_path / "f")
        path = put(world, "odd.parquet", (tmp_path / "f").read_bytes())
        with pytest.raises(Invalid, match=r"data_types\.odd"):
            imported(world, path, "odd", format=TargetFormat.ICEBERG)
        done = imported(world, path, "odd", format=TargetFormat.ICEBERG, data_types={"odd": "TEXT"})
        assert done.rows_imported == 1

    def test_the_lake_has_a_snapshot_for_each_version(self, world: World) -> None:
        path = put(world, "customers.csv", CUSTOMERS)
        first = imported(world, path, format=TargetFormat.ICEBERG)
        again = imported(world, path, format=TargetFormat.ICEBERG)
        put(world, "customers.csv", "customer_id,phone\n1,555\n")
        imported(world, path, format=TargetFormat.ICEBERG)

        table = lake_of(world.platform).open().load_table("raw.customers")
        assert (first.unchanged, again.unchanged, len(table.snapshots())) == (False, True, 2)
        assert table.scan().to_arrow().to_pylist() == [{"customer_id": 1, "phone": 555}]
        [before, _] = table.snapshots()
        assert table.scan(snapshot_id=before.snapshot_id).to_arrow().num_rows == 3
        assert world.sql("SELECT inserted FROM dataops.ledger WHERE target = 'iceberg:raw.customers' AND read = 1") == [
            (1,)
        ]

    @pytest.mark.parametrize("format", TargetFormat)
    def test_keep_what_they_have_when_no_row_fits(self, world: World, format: TargetFormat) -> None:
        path = put(world, "customers.csv", CUSTOMERS)
        before = imported(world, path, format=format)
        id = asked(world, path, format=format, data_types={"name": "UUID", "customer_id": "BOOLEAN"})
        with pytest.raises(SourceError, match="No row of"):
            import_file(world.work(), id)
        assert len(rejects(world, id)) == 3
        again = imported(world, path, format=format)
        assert (again.unchanged, again.uri) == (True, before.uri)
        if format is TargetFormat.ICEBERG:
            assert lake_of(world.platform).open().load_table("raw.customers").scan().count() == 3

    def test_the_lake_counts_once_what_its_worker_could_not_enter(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = put(world, "customers.csv", CUSTOMERS)
        id = asked(world, path, format=TargetFormat.ICEBERG, mode=LoadMode.APPEND)
        run = a_run(world, id)
        monkeypatch.setattr(import_load, "keep_rejects", _lost)
        with pytest.raises(psycopg2.InterfaceError):
            import_file(worker(world, run), id)
        monkeypatch.undo()

        done = imported(world, path, format=TargetFormat.ICEBERG, mode=LoadMode.APPEND)

        table = lake_of(world.platform).open().load_table("raw.customers")
        assert (table.scan().count(), len(table.snapshots()), done.rows_imported) == (3, 1, 3)
        assert world.sql("SELECT read, inserted FROM dataops.ledger") == [(3, 3)]


class TestMail:
    def test_tells_counts_and_reasons(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        with Mailbox().running() as mailbox:
            monkeypatch.setenv("DATAOPS_SMTP_URL", f"smtp://127.0.0.1:{mailbox.port}")
            monkeypatch.setenv("DATAOPS_SMTP_FROM", SENDER)
            world = World(type(world.platform)(type(world.platform.settings)()), world.files)
            path = put(world, "people.csv", "id,age\n1,33\n2,old\n")
            imported(world, path, data_types={"age": "INT"}, email="team@example.com")
            id = asked(world, put(world, "gone.csv", "x"), email="team@example.com")
            (world.files / "gone.csv").unlink()
            with pytest.raises(SourceError):
                import_file(world.work(), id)
        assert mailbox.subjects == ["people.csv: imported", "gone.csv: not imported"]
        assert mailbox.to == [["team@example.com"]] * 2
        assert "1 imported, 1 rejected" in mailbox.messages[0].get_content()
        assert "no such file: gone.csv" in mailbox.messages[1].get_content()
        assert found(world, id).notified_at is not None

    def test_that_cannot_be_sent_says_so_and_fails_nothing(self, world: World) -> None:
        done = imported(world, put(world, "customers.csv", CUSTOMERS), email="team@example.com")
        assert done.state is ImportState.COMPLETED
        assert done.notification_error is not None
        assert "DATAOPS_SMTP_URL" in done.notification_error


def _lost(*_: Any) -> None:
    raise psycopg2.InterfaceError("the connection is gone")


def _as(form: str, tmp_path: Path) -> bytes:
    rows = [{"name": "Köln", "size": 1_087_863, "code": "050"}, {"name": "Riga", "size": 605_273, "code": "010"}]
    match form:
        case "csv" | "tsv":
            mark = "," if form == "csv" else "\t"
            return "".join(
                mark.join(map(str, line)) + "\n" for line in [rows[0], *(each.values() for each in rows)]
            ).encode()
        case "json" | "jsonl":
            import json

            shown = [json.dumps(each, ensure_ascii=False) for each in rows]
            return ("\n".join(shown) if form == "jsonl" else f"[{','.join(shown)}]").encode()
        case "parquet":
            pq.write_table(pa.Table.from_pylist(rows), tmp_path / "f")
        case "xlsx":
            book = openpyxl.Workbook()
            for line in [list(rows[0]), *(list(each.values()) for each in rows)]:
                book.active.append(line)  # type: ignore[union-attr]
            book.save(tmp_path / "f")
    return (tmp_path / "f").read_bytes()
