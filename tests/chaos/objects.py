"""Datasets of a CSV file and of PostgreSQL tables that change, upserted and appended into objects, and a datamart."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

import psycopg2
from sqlalchemy import make_url

from tests.chaos.clients import Request
from tests.chaos.place import Place
from tests.chaos.verdicts import Harm, Verdict

BASE = "/api/v1/dataops"
MARTS = "/api/v1/mvp/datamarts"
PARTS, ACCOUNTS = 20_000, 5_000
EVENTS_A_SECOND = 20
EVENTS = "SELECT id, account, amount, note FROM content.chaos_event"
TABLES = (
    "DROP TABLE IF EXISTS content.chaos_account, content.chaos_event",
    "CREATE TABLE content.chaos_account (id bigint PRIMARY KEY, holder text NOT NULL, balance bigint NOT NULL)",
    "CREATE TABLE content.chaos_event (id bigint PRIMARY KEY, account bigint NOT NULL, amount int NOT NULL, note text)",
    f"INSERT INTO content.chaos_account SELECT n, 'holder ' || n, 0 FROM generate_series(1, {ACCOUNTS}) n",
)
# An unknown outcome of a commit is no harm: the same tick again changes nothing twice.
MORE_EVENTS = """
INSERT INTO content.chaos_event SELECT n, 1 + n % {accounts}, n % 1000, md5(n::text)
FROM generate_series({first}, {last}) n ON CONFLICT DO NOTHING
"""
MOVED = "UPDATE content.chaos_account SET balance = {tick} * 1000 + id WHERE id % 7 = {tick} % 7"
# (objects, what they must be, as one query each with the columns in the same order)
UPSERTED = (
    'SELECT "accountId", "holder", "balance" FROM objects.chaos_account',
    "SELECT id, upper(holder), balance FROM content.chaos_account",
)
APPENDED = ('SELECT "eventId", "account", "amount", "note" FROM objects.chaos_event', EVENTS)
MART = (
    "SELECT account, events, total FROM analytics.chaos_totals",
    "SELECT account, count(*), sum(amount) FROM content.chaos_event GROUP BY account",
)


@dataclass
class Objects:
    """All kinds of requests of document 004, and a datamart's refresh."""

    _requests: list[Callable[[], Request]] = field(default_factory=list)
    _closing: list[list[Callable[[], Request]]] = field(default_factory=list)
    _ids: dict[str, str] = field(default_factory=dict)
    _api: Any = None

    def prepare(self, place: Place) -> None:
        """A CSV file, two tables, and everything that is built on them."""
        place.change("warehouse", *TABLES, MORE_EVENTS.format(accounts=ACCOUNTS, first=1, last=500))
        folder = place.home / "files" / "chaos"
        folder.mkdir(parents=True, exist_ok=True)
        lines = (f"{n},part {n},{n % 500},{'yes' if n % 3 else 'no'}" for n in range(1, PARTS + 1))
        (folder / "parts.csv").write_text("number,name,weight,stocked\n" + "\n".join(lines) + "\n")
        self._api = place.stack.api
        self._define(make_url(place.urls["reader"]))
        self._offer()

    def _define(self, warehouse: Any) -> None:
        self._make("sources", "parts source", type="csv", connection={"path": "chaos/parts.csv"})
        names = {"host": "host", "port": "port", "database": "database", "username": "username", "password": "password"}
        connection = {name: getattr(warehouse, attribute) for name, attribute in names.items()}
        self._make("sources", "warehouse source", type="postgres", connection=connection)
        whole, text = {"type": "integer"}, {"type": "string"}
        part = {"partNumber": whole, "name": text, "weight": whole, "stocked": {"type": "boolean"}}
        self._kind("part", "partNumber", part)
        self._kind("account", "accountId", {"accountId": whole, "holder": text, "balance": whole})
        self._kind("event", "eventId", {"eventId": whole, "account": whole, "amount": whole, "note": text})
        self._dataset("parts", "parts source", {"type": "file"})
        accounts = "SELECT id, holder, balance FROM content.chaos_account"
        self._dataset("accounts", "warehouse source", {"type": "sql", "query": accounts})
        self._dataset("events", "warehouse source", {"type": "sql", "query": EVENTS})
        doubled = {"sourceColumn": "weight", "transform": "value * 2"}
        stocked = {"sourceColumn": "stocked", "transform": "toBoolean"}
        part_columns = {"partNumber": "number", "name": "name", "weight": doubled, "stocked": stocked}
        self._mapping("parts", "part", "upsert", part_columns)
        holder = {"sourceColumn": "holder", "transform": "upper"}
        self._mapping("accounts", "account", "upsert", {"accountId": "id", "holder": holder, "balance": "balance"})
        columns = {"eventId": "id", "account": "account", "amount": "amount", "note": "note"}
        self._mapping("events", "event", "append", columns)
        self._graph("accounts")
        self._graph("events")
        mart = {"name": "chaos_totals", "type": "table", "schema": "analytics", "refresh_strategy": "on_demand"}
        query = "SELECT account, count(*) AS events, sum(amount) AS total FROM content.chaos_event GROUP BY account"
        made = self._post(f"{MARTS}/create", {**mart, "query": query})
        self._ids["totals"] = str(UUID(made["datamart_id"].removeprefix("dm_")))

    def _offer(self) -> None:
        names = ("parts", "accounts", "events")
        extracts = [self._on("datasets", name, "extract", name) for name in names]
        syncs = [self._on("mappings", f"{name} sync", "sync", f"{name} sync", may_write=name) for name in names]
        graphs = [self._on("pipelines", f"{name} graph", "execute", name, f"{name} sync") for name in names[1:]]
        self._requests = [*extracts, *syncs, *graphs, self._refresh]
        self._closing = [extracts, [*syncs, self._refresh]]

    def _refresh(self) -> Request:
        return Request("refresh", f"{MARTS}/chaos_totals/refresh", [self._ids["totals"]], {})

    def request(self, chance: Random) -> Request:
        """Any of the kinds."""
        return chance.choice(self._requests)()

    def tend(self, place: Place, tick: int) -> None:
        """A seventh of the accounts changes, some events come in."""
        first = 501 + tick * EVENTS_A_SECOND
        more = MORE_EVENTS.format(accounts=ACCOUNTS, first=first, last=first + EVENTS_A_SECOND - 1)
        place.change("warehouse", more, MOVED.format(tick=tick + 1))

    def closing(self) -> Sequence[Sequence[Request]]:
        """Extract everything once more, then sync and refresh everything."""
        return [[make() for make in group] for group in self._closing]

    def busy(self, place: Place) -> int:
        """Nothing runs here that was not asked for."""
        return 0

    def figures(self, place: Place) -> Mapping[str, object]:
        """How much was done."""
        return {}

    def verdicts(self, place: Place) -> Iterator[Verdict]:
        """Objects and datamart hold what the sources hold, and no more than the ledger says."""
        yield _same("the upsert target equals its source", place, *UPSERTED)
        yield _same("the append target equals its source, nothing lost, nothing twice", place, *APPENDED)
        yield _same("the datamart equals its query", place, *MART)
        yield self._parts(place)
        for name, table in (("accounts", "chaos_account"), ("events", "chaos_event"), ("parts", "chaos_part")):
            yield self._books(place, name, table)

    @staticmethod
    def _parts(place: Place) -> Verdict:
        verdict = Verdict("objects of the CSV file equal its rows")
        found = _rows(place, 'SELECT "partNumber", "name", "weight", "stocked" FROM objects.chaos_part')
        expected = {(n, f"part {n}", 2 * (n % 500), bool(n % 3)) for n in range(1, PARTS + 1)}
        _compare(verdict, found, expected)
        return verdict

    def _books(self, place: Place, name: str, table: str) -> Verdict:
        """No sync deletes here, so what was inserted over all syncs is what is there."""
        verdict = Verdict(f"inserts in the ledger of {name} are the objects of {table}")
        [(inserted,)] = place.ask(
            "warehouse", "SELECT sum(inserted) FROM dataops.ledger WHERE subject_id = %s", self._ids[f"{name} sync"]
        )
        present = len(_rows(place, f"SELECT FROM objects.{table}"))
        if (inserted or 0) != present:
            harm = Harm.TWICE if (inserted or 0) > present else Harm.LOST
            verdict.broken(
                harm, f"the ledger says {inserted} inserted, {present} are there", abs((inserted or 0) - present)
            )
        return verdict

    def _on(
        self, kind: str, name: str, verb: str, *written: str, may_write: str | None = None
    ) -> Callable[[], Request]:
        path, more = f"{BASE}/{kind}/{self._ids[name]}/{verb}", [self._ids[may_write]] if may_write else []
        return lambda: Request(verb, path, [self._ids[each] for each in written], may_write=more)

    def _make(self, kind: str, name: str, **body: Any) -> None:
        self._ids[name] = self._post(f"{BASE}/{kind}", {"name": f"Chaos {name}", "app": "chaos", **body})["id"]

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._api.post(path, json=body)
        if not answer.is_success:
            raise SystemExit(f"POST {path}: {answer.status_code} {answer.text}")
        made: dict[str, Any] = answer.json()
        return made

    def _kind(self, name: str, key: str, properties: dict[str, Any]) -> None:
        schema = {"type": "object", "required": [key], "properties": properties}
        made = self._post(f"{BASE}/object-types", {"name": f"chaos_{name}", "keyField": key, "schema": schema})
        self._ids[f"{name} type"] = made["id"]

    def _dataset(self, name: str, source: str, extraction: dict[str, Any]) -> None:
        self._make("datasets", name, sourceId=self._ids[source], extraction=extraction)

    def _mapping(self, dataset: str, kind: str, mode: str, columns: dict[str, Any]) -> None:
        mappings = {name: {"sourceColumn": each} if isinstance(each, str) else each for name, each in columns.items()}
        where = {"datasetId": self._ids[dataset], "objectType": f"chaos_{kind}", "sync": {"mode": mode}}
        self._make("mappings", f"{dataset} sync", mappings=mappings, **where)

    def _graph(self, name: str) -> None:
        ends = {"dataset": name, "mapping": f"{name} sync"}
        nodes = [
            {"id": kind, "type": kind, "data": {f"{kind}Id": self._ids[end]}, "position": {"x": 0, "y": 0}}
            for kind, end in ends.items()
        ]
        self._make(
            "pipelines", f"{name} graph", nodes=nodes, edges=[{"id": "e1", "source": "dataset", "target": "mapping"}]
        )


def _same(promise: str, place: Place, target: str, source: str) -> Verdict:
    """Both are multisets: what the source has and the target has not is lost, the other way round is too much."""
    verdict = Verdict(promise)
    _compare(verdict, _rows(place, target), place.ask("warehouse", source))
    return verdict


def _rows(place: Place, query: str) -> list[tuple[Any, ...]]:
    """None while nothing was ever written there."""
    try:
        return list(place.ask("warehouse", query))
    except psycopg2.errors.UndefinedTable:
        return []


def _compare(verdict: Verdict, found: list[tuple[Any, ...]], expected: Any) -> None:
    present, wanted = set(found), set(expected)
    if missing := wanted - present:
        verdict.broken(Harm.LOST, f"{len(missing)} rows are missing, such as {min(missing)}", len(missing))
    if extra := len(found) - len(present & wanted):
        example = next(iter(present - wanted), None)
        verdict.broken(Harm.TWICE, f"{extra} rows are there that should not be, such as {example}", extra)
