"""Profiles of tables and views of a real warehouse, by the role that may only read."""

from collections.abc import Iterator

import numpy as np
import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from dataops_defs.adapters.profiles import profiler as profiler_module
from dataops_defs.adapters.profiles.profiler import Profiler
from dataops_defs.adapters.profiles.tables import find_tables
from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.errors import Invalid, SourceError
from dataops_defs.matching.relationships.detect import detect
from dataops_defs.matching.relationships.profiles import Profile, TableProfile
from dataops_defs.matching.relationships.sketches import inclusion
from dataops_defs.settings import Settings
from tests.scenes import World


@pytest.fixture
def reader(settings: Settings) -> Iterator[Connection]:
    connection = psycopg2.connect(libpq_url(settings.url("reader")))
    yield connection
    connection.close()


def look(reader: Connection, *names: str, schema: str = "public") -> Profiler:
    return Profiler(reader, find_tables(reader, schema, names)[0])


def columns(reader: Connection, table: str) -> dict[str, Profile]:
    [profile] = look(reader, table).profiles()
    return dict(profile.by_name)


class TestAColumn:
    def test_is_counted(self, world: World, reader: Connection) -> None:
        world.sql("CREATE TABLE t AS SELECT n AS id, mod(n, 10) AS kind, CASE WHEN n > 40 THEN 'x' || n END AS code"
                  " FROM generate_series(1, 50) n")  # fmt: skip

        found = columns(reader, "t")

        assert (found["id"].rows, found["id"].filled, found["id"].distinct, found["id"].once) == (50, 50, 50, 1.0)
        assert (found["id"].low, found["id"].high, found["id"].position) == (1.0, 50.0, 0)
        assert (found["kind"].distinct, found["kind"].once) == (10, 0.0)
        assert (found["code"].filled, found["code"].longest) == (10, 3)

    def test_is_equal_to_another_where_its_values_are_whatever_their_types(
        self, world: World, reader: Connection
    ) -> None:
        world.sql("CREATE DOMAIN short AS varchar(8)")
        world.sql("""
            CREATE TABLE t AS SELECT n AS i4, n::bigint AS i8, n::numeric(9, 3) AS exact, n::float8 AS inexact,
                'k' || n AS words, ('k' || n)::char(8) AS padded, ('k' || n)::short AS limited,
                timestamp '2024-01-01' + n * interval '1 day' AS local,
                timestamptz '2024-01-01 00:00Z' + n * interval '1 day' AS moment
            FROM generate_series(1, 30) n""")

        found = columns(reader, "t")

        for alike in (("i4", "i8", "exact", "inexact"), ("words", "padded", "limited"), ("local", "moment")):
            for name in alike[1:]:
                assert found[name].kind == found[alike[0]].kind
                assert inclusion(found[name].sketch, found[alike[0]].sketch).share == 1.0, name

    def test_that_cannot_be_a_key_is_left_out_and_said(self, world: World, reader: Connection) -> None:
        world.sql("CREATE TABLE t (id int, doc jsonb, raw bytea, place point, tags text[], ok bool, price numeric)")
        world.sql("INSERT INTO t VALUES (1, '{}', '', '(1,2)', '{}', true, 1.5)")

        profiler = look(reader, "t")
        [profile] = profiler.profiles()

        assert list(profile.by_name) == ["id"]
        assert {(each.column, each.reason) for each in profiler.skipped} == {
            ("doc", "values of type jsonb are not compared"),
            ("raw", "values of type bytea are not compared"),
            ("place", "values of type point are not compared"),
            ("tags", "values of type text[] are not compared"),
            ("ok", "true and false are no keys"),
            ("price", "numbers with fractions are no keys"),
        }

    def test_may_hold_what_is_no_number_and_no_day(self, world: World, reader: Connection) -> None:
        world.sql("CREATE TABLE t (f float8, d date, n numeric)")
        world.sql(
            "INSERT INTO t VALUES ('NaN', 'infinity', 'Infinity'), ('-Infinity', '-infinity', 'NaN'), (1, now(), 2)"
        )

        found = columns(reader, "t")

        assert {name: (each.filled, each.distinct) for name, each in found.items()} == dict.fromkeys("fdn", (3, 3))
        assert (found["d"].low, found["d"].high) == (None, None)

    def test_shows_the_keys_that_are_declared(self, world: World, reader: Connection) -> None:
        world.sql("CREATE TABLE parents (id int PRIMARY KEY, code text UNIQUE)")
        world.sql("CREATE TABLE children (id int, parent int CONSTRAINT of_parent REFERENCES parents)")

        tables, declared = find_tables(reader, "public", ["children", "parents"])
        children, parents = (each.by_name for each in Profiler(reader, tables).profiles())

        assert [(each.name, each.table, each.columns, each.parent) for each in declared] == [
            ("of_parent", "children", ("parent",), "parents")
        ]
        assert (parents["id"].primary, parents["code"].primary, parents["code"].unique) == (True, False, True)
        assert (children["parent"].points_out, children["id"].points_out) == (True, False)

    def test_is_only_said_to_refer_where_the_database_has_not_checked(self, world: World, reader: Connection) -> None:
        world.sql("CREATE TABLE parents (id int PRIMARY KEY); INSERT INTO parents SELECT generate_series(1, 100)")
        world.sql("CREATE TABLE children (id int PRIMARY KEY, a int, b int)")
        world.sql("INSERT INTO children SELECT n, 1 + n %% 90, n + 1000 FROM generate_series(1, 300) n")
        for name in "ab":
            world.sql(
                f"ALTER TABLE children ADD CONSTRAINT of_{name} FOREIGN KEY ({name}) REFERENCES parents NOT VALID"
            )

        tables, declared = find_tables(reader, "public", ["children", "parents"])
        profiler = Profiler(reader, tables)
        profiles = profiler.profiles()
        found = {each.columns: each for each in detect(profiles, profiler, declared)}

        assert [each.enforced for each in declared] == [False, False]
        assert not any(each.points_out for each in profiles[0].columns)
        assert (found["a",].confidence, found["b",].confidence) == (0.99, 0.0)
        assert "has not checked every row: foreign key of_a" in found["a",].evidence[0]
        assert found["b",].evidence[1] == "0.0% of 300 different values of children.b are in parents.id"

        reader.rollback()
        world.sql("ALTER TABLE children VALIDATE CONSTRAINT of_a")
        assert [each.enforced for each in find_tables(reader, "public", ["children", "parents"])[1]] == [True, False]
        reader.rollback()
        if reader.server_version >= 180_000:
            world.sql("ALTER TABLE children ALTER CONSTRAINT of_a NOT ENFORCED")
            assert not any(each.enforced for each in find_tables(reader, "public", ["children", "parents"])[1])


class TestATable:
    @pytest.mark.parametrize(
        "name", ["Order Details", "straße", "a.b", 'say "x"', "100%s", "select", "{x}", "Übung\u200b1"]
    )
    def test_may_have_any_name(self, world: World, reader: Connection, name: str) -> None:
        quoted = '"' + name.replace('"', '""') + '"'
        world.sql(f"CREATE TABLE {quoted} ({quoted} int)".replace("%", "%%"))
        world.sql(f"INSERT INTO {quoted} VALUES (7), (8)".replace("%", "%%"))

        profiler = look(reader, name)
        [profile] = profiler.profiles()

        assert profile.by_name[name].distinct == 2
        held = profiler.held(name, [name], profile.by_name[name].sketch.hashes)
        assert sorted(held.tolist()) == profile.by_name[name].sketch.hashes.tolist()
        assert profiler.together(name, [name, name]).distinct == 2

    def test_may_be_empty_or_without_columns(self, world: World, reader: Connection) -> None:
        world.sql("CREATE TABLE nothing (id int, name text)")
        world.sql("CREATE TABLE bare ()")

        nothing, bare = look(reader, "nothing", "bare").profiles()

        assert [(each.filled, each.distinct, each.once) for each in nothing.columns] == [(0, 0, 0.0)] * 2
        assert (bare.rows, list(bare.columns)) == (0, [])

    def test_may_be_a_view(self, world: World, reader: Connection) -> None:
        world.sql("CREATE VIEW v AS SELECT n AS id FROM generate_series(1, 9) n")
        world.sql("CREATE MATERIALIZED VIEW m AS SELECT id FROM v")

        assert [each.rows for each in look(reader, "v", "m").profiles()] == [9, 9]

    def test_behind_a_view_that_fails_says_so(self, world: World, reader: Connection) -> None:
        world.sql("CREATE VIEW v AS SELECT 1 / (n - 3) AS id FROM generate_series(1, 9) n")

        with pytest.raises(SourceError, match="'v' cannot be read: division by zero"):
            look(reader, "v").profiles()

    def test_that_takes_too_long_is_given_up(
        self, world: World, reader: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(profiler_module, "STATEMENT_SECONDS", 1)
        world.sql("CREATE VIEW v AS SELECT count(*) AS id FROM generate_series(1, 3000000000) n")

        with pytest.raises(SourceError, match="'v' takes longer than 1 seconds"):
            look(reader, "v").profiles()

    def test_that_is_not_there_or_closed_is_named(self, world: World, reader: Connection) -> None:
        world.sql("CREATE TABLE here (id int)")
        world.sql("CREATE SCHEMA vault")
        world.sql("CREATE TABLE vault.secrets (id int)")
        world.sql("CREATE MATERIALIZED VIEW unfilled AS SELECT 1 AS id WITH NO DATA")

        with pytest.raises(Invalid) as refused:
            find_tables(reader, "public", ["here", "nowhere", "unfilled", "HERE"])
        assert [each.field for each in refused.value.fields] == ["tables.1", "tables.2", "tables.3"]
        closed = {"vault": "secrets", "dataops": "ledger", "pg_catalog": "pg_class", "information_schema": "tables"}
        for schema, table in closed.items():
            with pytest.raises(Invalid):
                find_tables(reader, schema, [table])


class TestALargeTable:
    """Large is what is over 5,000 rows here."""

    @pytest.fixture(autouse=True)
    def _small_samples(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(profiler_module, "EVERY_VALUE_UP_TO", 5000)
        monkeypatch.setattr(profiler_module, "SIZE", 500)
        monkeypatch.setattr(profiler_module, "FEW", 125)

    @pytest.fixture
    def profiler(self, world: World, reader: Connection) -> Profiler:
        world.sql("CREATE TABLE parents AS SELECT n AS id, 'P' || n AS code FROM generate_series(1, 50000) n")
        world.sql("CREATE TABLE children AS SELECT n AS id, 1 + mod(n * 31, 80000) AS parent, mod(n, 7) AS kind"
                  " FROM generate_series(1, 50000) n")  # fmt: skip
        world.sql("CREATE TABLE few AS SELECT n * 997 AS parent FROM generate_series(1, 40) n")
        return look(reader, "parents", "children", "few")

    def test_is_sampled_by_values(self, profiler: Profiler) -> None:
        parents, children, few = profiler.profiles()

        assert profiler.sampled == {"parents", "children"}
        key = parents.by_name["id"]
        assert len(key.sketch.hashes) == 500
        assert not key.sketch.complete
        assert key.distinct == pytest.approx(50_000, rel=0.15)
        assert (key.once, key.filled, key.low, key.high) == (1.0, 50_000, 1.0, 50_000.0)
        assert few.by_name["parent"].sketch.complete
        assert children.by_name["kind"].sketch.complete
        assert (children.by_name["kind"].distinct, children.by_name["kind"].once) == (7, 0.0)

    def test_is_compared_by_the_values_both_have_kept(self, profiler: Profiler) -> None:
        parents, children, _ = profiler.profiles()

        found = inclusion(children.by_name["parent"].sketch, parents.by_name["id"].sketch)

        assert found.share == pytest.approx(50 / 80, abs=0.1)
        assert found.seen > 100

    def test_says_which_values_it_holds(self, profiler: Profiler) -> None:
        tables: dict[str, TableProfile] = {each.name: each for each in profiler.profiles()}
        wanted = tables["few"].by_name["parent"].sketch.hashes

        held = profiler.held("parents", ["id"], wanted)

        assert np.isin(wanted, held).all()
        assert len(profiler.held("children", ["kind"], wanted)) == 0
