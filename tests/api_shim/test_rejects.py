"""Rejected rows over HTTP: listed, downloaded, mended, uploaded and replayed. Source: document 004, D012 and D096."""

import csv
import io
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from tests.api_shim.conftest import Api
from tests.api_shim.in_process import InProcessLauncher

HARD = {
    "a formula": "=1+1",
    "one with a quote": '\'=HYPERLINK("http://x")',
    "a sum": "+1",
    "a difference": "-1+1",
    "a mention": "@SUM(A1)",
    "one after a tab": "\t=1",
    "full width": "\uff1d1+1",
    "leading zeros": "00123",
    "20 digits": "12345678901234567890",
    "nul": "a\x00b",
    "bell and escape": "\x07\x1b[31m",
    "line ends": "a\r\nb\nc\rd",
    "our own code": "\\x00 and \\\\x5c",
    "excel's own code": "_x0041_",
    "blanks": "   ",
    "separators": 'a,b;c\t"d"',
    "an error to excel": "#N/A",
    "too long for excel": "x" * 40_000,
    "letters": "\u00e9\u4e2d\U0001f600",
}
# Every row is rejected: its number is below the minimum.
REGISTRY = "tag,note,size\n" + "".join(
    f'{place},"{note.replace(chr(34), chr(34) * 2)}",-{place}\n' for place, note in enumerate(HARD.values(), start=1)
)
KIND = {
    "type": "object",
    "required": ["tag"],
    "properties": {
        "tag": {"type": "integer"},
        "note": {"type": "string"},
        "size": {"type": "integer", "minimum": 0},
    },
}
COLUMNS = {name: {"sourceColumn": name} for name in ("tag", "note", "size")}
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class Rejects:
    """A mapping whose sync has rejected rows, and words for what is done with them."""

    def __init__(self, api: Api, text: str, name: str = "Parts") -> None:
        self.api, self.client = api, api.client
        dataset = api.dataset(name, source=api.source(name, text))
        if api.client.get("/api/v1/dataops/object-types/part").status_code == 404:
            api.post("/object-types", {"name": "part", "schema": KIND, "keyField": "tag"})
        made = api.post("/mappings", {"datasetId": dataset["id"], "objectType": "part", "mappings": COLUMNS})
        self.mapping, self.path = made["id"], f"/mappings/{made['id']}/rejects"
        self.synced = api.post(f"/mappings/{made['id']}/sync")

    def all(self, query: str = "") -> Any:
        return self.api.get(f"{self.path}{query}")

    def ids(self) -> list[int]:
        return [each["id"] for each in self.all("?state=open&limit=500")]

    def download(self, query: str, **headers: str) -> bytes:
        reply = self.client.get(f"/api/v1/dataops{self.path}{query}", headers=headers)
        assert reply.status_code == 200, reply.text
        assert "attachment" in reply.headers["content-disposition"]
        return reply.content

    def replay(self, body: Any = None, **options: Any) -> Any:
        return self.api.post(f"{self.path}/replay", body, **options)

    def upload(self, content: bytes, **options: Any) -> Any:
        return self.replay(files={"file": ("rejects", content)}, **options)

    def refused(self, **options: Any) -> tuple[int, list[str]]:
        return self.api.refused("POST", f"{self.path}/replay", **options)

    def objects(self) -> Any:
        return self.api.get("/object-types/part/objects?limit=500")


@pytest.fixture
def hard(api: Api) -> Rejects:
    """Rows that are hard to carry, all rejected for their size."""
    made = Rejects(api, REGISTRY)
    assert made.synced["failed"] == len(HARD)
    return made


@pytest.fixture
def two(api: Api) -> Rejects:
    return Rejects(api, "tag,note,size\n1,first,-1\n2,second,-2\n3,third,3\n")


def lines_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def as_csv(lines: list[dict[str, str]], **options: str) -> bytes:
    text = io.StringIO()
    written = csv.DictWriter(text, list(lines[0]), **options)  # type: ignore[arg-type]
    written.writeheader()
    written.writerows(lines)
    return text.getvalue().encode()


def workbook(*rows: list[Any]) -> bytes:
    book, file = Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)  # type: ignore[union-attr]
    book.save(file)
    return file.getvalue()


class TestTheList:
    def test_shows_where_each_stands_open_ones_first(self, two: Rejects) -> None:
        first, second = two.ids()
        done = two.replay({"rows": [{"id": first, "raw": {"size": 1}}]})

        shown = two.all()

        assert [(each["id"], each["state"]) for each in shown] == [(second, "open"), (first, "repaired")]
        assert (shown[1]["settledBy"], shown[1]["corrected"]) == (done["executionId"], {"size": 1})
        assert shown[1]["raw"]["size"] == -1
        assert [each["id"] for each in two.all("?state=repaired")] == [first]
        assert two.all("?state=superseded") == []
        assert [each["id"] for each in two.all("?limit=1&offset=1")] == [first]
        assert two.api.refused("GET", f"{two.path}?state=mended") == (422, ["state"])

    def test_after_another_sync_speaks_of_the_newest_first(self, two: Rejects) -> None:
        again = two.api.post(f"/mappings/{two.mapping}/sync")

        assert [each["executionId"] for each in two.all()][:2] == [again["executionId"]] * 2
        assert [each["state"] for each in two.all()] == ["open", "open", "superseded", "superseded"]


class TestAFile:
    @pytest.mark.parametrize("form", ["csv", "xlsx"])
    def test_that_comes_back_as_it_went_changes_nothing(self, hard: Rejects, form: str) -> None:
        before = hard.all("?limit=500")
        assert [each["raw"]["note"] for each in before] == list(HARD.values())

        done = hard.upload(hard.download(f"?format={form}"))

        assert (done["processed"], done["failed"]) == (len(HARD), len(HARD))
        assert hard.all("?limit=500") == before

    @pytest.mark.parametrize("form", ["csv", "xlsx"])
    def test_that_was_mended_gives_the_objects(self, hard: Rejects, form: str) -> None:
        content = hard.download(f"?format={form}")
        if form == "csv":
            lines = lines_of(content)
            for line in lines:
                line["size"] = line["tag"]
            content = as_csv(lines)
        else:
            file, book = io.BytesIO(), load_workbook(io.BytesIO(content))
            for row in book.active.iter_rows(min_row=2):  # type: ignore[union-attr]
                row[6].value = int(str(row[4].value))
            book.save(file)
            content = file.getvalue()

        done = hard.upload(content)

        refused = [each["raw"]["note"] for each in hard.all("?state=open")]
        assert refused == [HARD["nul"]]  # which PostgreSQL cannot keep, whatever its size
        assert (done["succeeded"], done["failed"], done["stillOpen"]) == (len(HARD) - 1, 1, 1)
        assert done["ledger"]["inserted"] == len(HARD) - 1
        kept = {each["note"]: each["size"] for each in hard.objects()}
        assert kept == {note: place for place, note in enumerate(HARD.values(), start=1) if note != HARD["nul"]}

        again = hard.upload(content)
        assert (again["failed"], again["ledger"]["unchanged"]) == (1, len(HARD) - 1)

    def test_runs_nothing_in_a_spreadsheet(self, hard: Rejects) -> None:
        lines = lines_of(hard.download("?format=csv"))
        book = load_workbook(io.BytesIO(hard.download("?format=xlsx")))
        cells = [cell for row in book.active.iter_rows() for cell in row]  # type: ignore[union-attr]

        assert list(lines[0]) == ["_reject_id", "_row", "_reason", "_column", "tag", "note", "size"]
        for text in [text for line in lines for text in line.values()]:
            assert not text.startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d"))
        assert {cell.data_type for cell in cells} <= {"s", "n", "inlineStr"}
        assert not [cell for cell in cells if str(cell.value).startswith(("=", "+", "-", "@"))]

    def test_holds_the_open_ones_or_those_that_are_asked_for(self, two: Rejects) -> None:
        first, second = two.ids()
        two.replay({"rows": [{"id": first, "raw": {"size": 1}}]})

        def ids(query: str) -> list[int]:
            return [int(each["_reject_id"]) for each in lines_of(two.download(query))]

        assert ids("?format=csv") == [second]
        assert ids("?format=csv&state=repaired") == [first]
        assert ids(f"?format=csv&executionId={two.synced['executionId']}") == [second, first]
        assert ids(f"?format=csv&executionId={two.synced['executionId']}&limit=1") == [second]
        # An Accept header asks for it too.
        assert two.download("", accept="text/csv;q=0.9, */*;q=0.1").startswith(b"_reject_id,")
        assert two.download("", accept=XLSX).startswith(b"PK")
        for other in ("*/*", "application/json, text/csv", "text/html"):
            shown = two.client.get(f"/api/v1/dataops{two.path}", headers={"accept": other})
            assert len(shown.json()) == 2

    def test_may_have_been_saved_by_another_program(self, two: Rejects) -> None:
        lines = [{**each, "size": "7"} for each in lines_of(two.download("?format=csv"))]

        semicolons = b"\xef\xbb\xbf" + as_csv(lines, delimiter=";")
        assert two.upload(semicolons)["ledger"]["inserted"] == 2

        utf16 = as_csv([{**each, "size": "8"} for each in lines], delimiter="\t").decode().encode("utf-16")
        assert two.upload(utf16)["ledger"]["unchanged"] == 2

    def test_of_columns_that_are_named_like_ours_keeps_them_apart(self, api: Api) -> None:
        rows = Rejects(api, "tag,note,size,_row,__reason\n1,a,-1,r,s\n")
        [line] = lines_of(rows.download("?format=csv"))

        assert (line["_row"], line["__row"], line["___reason"]) == ("1", "r", "s")
        assert rows.upload(as_csv([{**line, "size": "1", "__row": "mine"}]))["ledger"]["inserted"] == 1
        assert rows.all()[0]["corrected"] == {"size": "1", "_row": "mine"}


class TestAReplay:
    def test_takes_the_columns_that_change(self, two: Rejects) -> None:
        first, second = two.ids()

        done = two.replay({"rows": [{"id": first, "raw": {"size": 10}}, {"id": second, "raw": {"size": "ten"}}]})

        assert (done["success"], done["processed"], done["succeeded"], done["failed"]) == (True, 2, 1, 1)
        assert done["ledger"] == {
            "read": 2,
            "inserted": 1,
            "updated": 0,
            "unchanged": 0,
            "rejected": 1,
            "filtered": 0,
        }
        assert {"tag": 1, "note": "first", "size": 10} in two.objects()
        [left] = two.all("?state=open")
        assert (left["reason"], left["column"]) == ("size: 'ten' is no whole number", "size")
        assert two.api.get(f"/executions/{done['executionId']}")["kind"] == "replay"

    def test_without_rows_tries_all_that_are_open(self, two: Rejects) -> None:
        assert two.replay()["failed"] == two.replay({})["failed"] == 2
        kind = {**KIND, "properties": {**KIND["properties"], "size": {"type": "integer"}}}  # type: ignore[dict-item]
        two.api.patch("/object-types/part", {"schema": kind})

        assert two.replay()["succeeded"] == 2
        assert two.replay()["processed"] == 0

    def test_with_a_key_is_done_once(self, two: Rejects) -> None:
        body = {"rows": [{"id": two.ids()[0], "raw": {"size": 1}}]}
        first = two.replay(body, headers={"Idempotency-Key": "mend-1"})

        assert two.replay(body, headers={"Idempotency-Key": "mend-1"}) == first
        assert two.replay(body)["ledger"]["unchanged"] == 1

    def test_that_takes_long_answers_with_an_address(self, two: Rejects, launcher: InProcessLauncher) -> None:
        launcher.held = True
        reply = two.client.post(f"/api/v1/dataops{two.path}/replay", headers={"Prefer": "respond-async"})

        assert reply.status_code == 202
        assert reply.headers["location"] == reply.json()["statusUrl"]
        assert launcher.launched[-1].job == "replay_rejects"


class TestWrongInput:
    def test_is_refused_with_its_field_and_nothing_is_done(self, two: Rejects) -> None:
        first, _ = ids = two.ids()
        other = Rejects(two.api, "tag,note,size\n9,other,-9\n", "Others").ids()[0]
        cases: list[tuple[Any, str]] = [
            ([], "body"),
            ({"rows": []}, "rows"),
            ({"rows": {"id": first}}, "rows"),
            ({"rows": [{"raw": {}}]}, "rows.0.id"),
            ({"rows": [{"id": str(first)}]}, "rows.0.id"),
            ({"rows": [{"id": 0}]}, "rows.0.id"),
            ({"rows": [{"id": 2**63}]}, "rows.0.id"),
            ({"rows": [{"id": first, "raw": [1]}]}, "rows.0.raw"),
            ({"rows": [{"id": first, "value": 1}]}, "rows.0.value"),
            ({"rows": [{"id": first}, {"id": 987654321}]}, "rows.1.id"),
            ({"rows": [{"id": other}]}, "rows.0.id"),
            ({"rows": [{"id": first}, {"id": first}]}, "rows.1.id"),
            ({"rows": [{"id": first, "raw": {"weight": 1}}]}, "rows.0.raw.weight"),
            ({"row": []}, "row"),
        ]
        for body, field in cases:
            status, fields = two.refused(body=body)
            assert (status, fields[:1]) == (422, [field]), body
        assert two.ids() == ids
        assert two.api.get("/executions?kind=replay") == []

    def test_of_an_uploaded_file_likewise(self, two: Rejects) -> None:
        ids = two.ids()
        good = two.download("?format=csv").decode()
        book = two.download("?format=xlsx")
        head = good.splitlines()[0]
        cases: list[tuple[bytes, str]] = [
            (b"", "is empty"),
            (b" \r\n", "is empty"),
            (head.encode(), "holds no rows"),
            (b"tag,size\n1,2\n", "_reject_id"),
            (good.replace("note", "notes").encode(), "not one of the dataset's"),
            (good.replace("note", "size").encode(), "twice"),
            (f"_reject_id,size\n{ids[0]},1\n{ids[0]},2\n".encode(), "line 3"),
            (f"_reject_id,size\n{ids[0]},1,2\n".encode(), "line 2"),
            (b"_reject_id,size\none,1\n", "no id"),
            (b"_reject_id,size\n987654321,1\n", "no reject 987654321"),
            (b'_reject_id,size\n1,"2\n', "no CSV"),
            (b"_reject_id,size\n1,\xff\xfe\n", "UTF-8"),
            (book[: len(book) // 2], "not an Excel workbook"),
            (b"PK\x03\x04" + b"\x00" * 1000, "not an Excel workbook"),
            (workbook(["tag", "size"], [1, 2]), "_reject_id"),
            (workbook(["_reject_id", "size"]), "holds no rows"),
            (workbook(), "is empty"),
        ]
        for content, said in cases:
            reply = two.client.post(f"/api/v1/dataops{two.path}/replay", files={"file": ("a.csv", content)})
            assert reply.status_code == 422, (content[:60], reply.text)
            [problem] = reply.json()["errors"]
            assert problem["field"] == "file"
            assert said in problem["message"], problem
        assert two.ids() == ids

    def test_of_a_body_of_another_kind_likewise(self, two: Rejects) -> None:
        form = {"content-type": "multipart/form-data; boundary=x"}
        part = b'Content-Disposition: form-data; name="file"\r\n\r\na'
        cases: list[tuple[dict[str, str], bytes, str]] = [
            ({"content-type": "text/csv"}, b"_reject_id\n1\n", "body"),
            ({"content-type": "application/json"}, b"{", "body"),
            ({"content-type": "application/json"}, b'"all"', "body"),
            ({"content-type": "application/x-www-form-urlencoded"}, b"rows=1", "body"),
            ({"content-type": "multipart/form-data"}, b"--x\r\n", "file"),
            (form, b"", "file"),
            (form, b"--x--\r\n", "file"),
            (form, b"--x\r\n" + part, "file"),
            (form, b"--x\r\n" + part.replace(b"file", b"data") + b"\r\n--x--\r\n", "file"),
            (form, b"--x\r\n" + part + b"\r\n--x\r\n" + part + b"\r\n--x--\r\n", "file"),
            (form, b"--x\r\nno headers\r\n--x--\r\n", "file"),
            (form, (b"--x\r\n" + part + b"\r\n") * 50 + b"--x--\r\n", "file"),
        ]
        for headers, body, field in cases:
            reply = two.client.post(f"/api/v1/dataops{two.path}/replay", content=body, headers=headers)
            assert reply.status_code == 422, (headers, body[:60], reply.text)
            assert reply.json()["errors"][0]["field"] == field, (body[:60], reply.text)

    def test_of_what_is_gone_says_so(self, two: Rejects) -> None:
        file = two.download("?format=csv")
        two.api.post(f"/mappings/{two.mapping}/sync")

        reply = two.client.post(f"/api/v1/dataops{two.path}/replay", files={"file": ("a.csv", file)})

        assert reply.status_code == 422
        assert "download the rejects again" in reply.json()["errors"][0]["message"]

        # A later sync has read their rows anew. A mapping that does not exist is not found at all.
        for id in ("none", "0192f3a1-0000-7000-8000-000000000004"):
            assert two.client.get(f"/api/v1/dataops/mappings/{id}/rejects?format=csv").status_code == 404
            assert two.client.post(f"/api/v1/dataops/mappings/{id}/rejects/replay").status_code == 404
