import re

import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pglast import parse_sql

from dataops_defs.adapters.sql.guard import check_query, tables_of
from dataops_defs.adapters.warehouse.connection import libpq_url
from dataops_defs.errors import UnsafeQuery


def reason(sql: str, **rules: object) -> str:
    with pytest.raises(UnsafeQuery) as refused:
        check_query(sql, **rules)  # type: ignore[arg-type]
    assert refused.value.fields[0].field == "query"
    return refused.value.fields[0].message.removeprefix("this query may not run: ")


class TestWhatMayRun:
    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT 1",
            "SELECT * FROM analytics.customer_360 LIMIT 10000",
            "SELECT c.id, count(o.id) AS n, sum(o.amount) FROM customers c LEFT JOIN orders o ON c.id = o.customer_id"
            " GROUP BY c.id HAVING count(*) > 1 ORDER BY 2 DESC NULLS LAST OFFSET 5",
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r",
            "SELECT DISTINCT ON (a) a::numeric(3, 1), x AT TIME ZONE 'utc', extract(year FROM b) FROM t",
            "SELECT count(*) FILTER (WHERE a > 1) OVER (PARTITION BY b ORDER BY c ROWS UNBOUNDED PRECEDING) FROM t",
            "SELECT trim(both ' ' from a), substring(a from 1 for 2), position('x' in a), overlay(a placing 'b' from 1)"
            " FROM t",
            "SELECT CASE WHEN a THEN 1 ELSE 2 END, coalesce(a, b), greatest(a, b), nullif(a, b), a IS DISTINCT FROM b"
            " FROM t WHERE a = ANY (ARRAY[1, 2]) AND b IN (1, 2) AND c BETWEEN 1 AND 2 AND d ILIKE '%x%'",
            "SELECT data ->> 'a', data -> 'b' -> 0, jsonb_array_elements(data #> '{c}') FROM t",
            "SELECT a FROM t UNION SELECT b FROM u EXCEPT SELECT c FROM v INTERSECT SELECT d FROM w",
            "SELECT * FROM t, LATERAL (SELECT * FROM u WHERE u.id = t.id LIMIT 1) x WHERE EXISTS (SELECT 1 FROM w)",
            "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a) FROM t GROUP BY GROUPING SETS ((b), ())",
            "SELECT * FROM generate_series(1, 10) AS g (n) JOIN (VALUES (1, 'a')) AS v (n, t) USING (n)",
            "SELECT current_date, now(), date_trunc('month', at) FROM t",
            "SELECT * FROM json_to_recordset('[]') AS x (a int, b text)",
            "TABLE customers",
        ],
    )
    def test_plain_queries_of_every_kind(self, sql: str):
        assert parse_sql(check_query(sql)) == parse_sql(sql)

    def test_what_runs_is_written_anew_without_comments(self):
        assert check_query("select 1 -- ; drop table t\n /* x */ ; ") == "SELECT 1"

    def test_text_that_looks_like_sql_stays_text(self):
        made = check_query("SELECT E'\\'; DELETE FROM t; --' AS a, '\\' AS b, $$;'$$ AS c")
        assert parse_sql(made)[0].stmt.targetList[0].val.val.sval == "'; DELETE FROM t; --"

    def test_a_function_an_admin_has_listed(self):
        assert "calculate_metrics" in reason("SELECT * FROM calculate_metrics()")
        assert check_query("SELECT * FROM calculate_metrics()", allowed_functions={"calculate_metrics"})
        assert "without a schema" in reason(
            "SELECT * FROM a.calculate_metrics()", allowed_functions={"calculate_metrics"}
        )
        assert check_query("SELECT a.calculate_metrics()", allowed_functions={"a.calculate_metrics"})

    @given(st.text(max_size=40))
    def test_any_text_stays_the_text_it_is(self, text: str):
        if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
            return
        quoted = text.replace("'", "''")
        made = check_query(f"SELECT '{quoted}' AS a")
        assert parse_sql(made)[0].stmt.targetList[0].val.val.sval == text


class TestWhatMayNot:
    @pytest.mark.parametrize(
        ("sql", "said"),
        [
            ("", "empty"),
            ("-- nothing", "empty"),
            ("SELECT 1; SELECT 2", "one statement"),
            ("SELECT '\\'; DELETE FROM t; --'", "one statement"),
            ("SELECT $a$1$a$; DELETE FROM t --$a$", "one statement"),
            ("VALUES (1, 2)", "one SELECT"),
            ("INSERT INTO t VALUES (1)", "must be a SELECT"),
            ("UPDATE t SET a = 1", "must be a SELECT"),
            ("COPY (SELECT 1) TO PROGRAM 'id'", "must be a SELECT"),
            ("EXPLAIN ANALYZE SELECT 1", "must be a SELECT"),
            ("SET ROLE postgres", "must be a SELECT"),
            ("DO $$ BEGIN END $$", "must be a SELECT"),
            ("CREATE TABLE x AS SELECT 1", "must be a SELECT"),
            ("SELECT * INTO x FROM t", "INTO"),
            ("SELECT * FROM t FOR UPDATE", "lock rows"),
            ("SELECT * FROM (SELECT * FROM t FOR KEY SHARE SKIP LOCKED) x", "lock rows"),
            ("WITH d AS (DELETE FROM t RETURNING id) SELECT * FROM d", "DELETE"),
            ("SELECT * FROM (WITH d AS (UPDATE t SET a = 1 RETURNING id) SELECT * FROM d) x", "UPDATE"),
            ("WITH i AS (INSERT INTO t VALUES (1) RETURNING id) SELECT * FROM i", "INSERT"),
            ("SELECT pg_read_file('/etc/passwd')", "pg_read_file"),
            ("SELECT/**/PG_READ_FILE/**/('/etc/passwd')", "pg_read_file"),
            ("SELECT \"pg_read_file\"('/etc/passwd')", "pg_read_file"),
            ('SELECT U&"\\0070g_sleep"(30)', "pg_sleep"),
            ("SELECT pg_catalog.pg_read_file('/etc/passwd')", "without a schema"),
            ("SELECT pg_catalog.lower('A')", "without a schema"),
            ("SELECT * FROM pg_ls_dir('/')", "pg_ls_dir"),
            ("SELECT id FROM t ORDER BY pg_sleep(20)", "pg_sleep"),
            ("SELECT * FROM (VALUES (pg_notify('x', 'y'))) v", "pg_notify"),
            ("SELECT 1 FROM t GROUP BY 1 HAVING lo_create(1) > 0", "lo_create"),
            ("SELECT sum(a) FILTER (WHERE setval('s', 1) > 0) OVER (ORDER BY nextval('s')) FROM t", "val"),
            ("SELECT * FROM t LIMIT (SELECT lo_create(1))", "lo_create"),
            ("SELECT set_config('transaction_read_only', 'off', false)", "set_config"),
            ("SELECT current_setting('data_directory')", "current_setting"),
            ("SELECT query_to_xml('DELETE FROM t', true, false, '')", "query_to_xml"),
            ("SELECT * FROM ts_stat('SELECT x FROM t')", "ts_stat"),
            ("SELECT * FROM dblink('host=x', 'SELECT 1') AS t (a int)", "dblink"),
            ("SELECT xmlparse(document '<a/>')", "XML"),
            ("SELECT current_user", "names of users"),
            ("SELECT 'pg_authid'::regclass", "regclass"),
            ("SELECT CAST('lo_create' AS pg_catalog.regproc)", "regproc"),
            ("SELECT regclass 'pg_authid'", "regclass"),
            ("SELECT * FROM pg_catalog.pg_authid", "pg_catalog"),
            ("SELECT * FROM pg_shadow", "pg_shadow"),
            ("SELECT * FROM PG_SHADOW", "pg_shadow"),
            ("SELECT * FROM information_schema.tables", "information_schema"),
            ("SELECT * FROM pg_toast.pg_toast_1", "pg_toast"),
            ("SELECT * FROM other.public.t", "without a database"),
            ("SELECT 1 OPERATOR(pg_catalog.+) 1", "operators"),
            ("SELECT $1", "parameter"),
            ("SELECT a FROM", "cannot parse"),
            ("SELECT 'open", "cannot parse"),
            ("SELECT 1\x00; DROP TABLE t", "NUL"),
            ("SELECT '\ud800'", "UTF-8"),
            ("SELECT " + "1" * 70_000, "64 KB"),
            ("SELECT " + "(" * 3000 + "1" + ")" * 3000, "nested"),
            ("SELECT " + "1+" * 30_000 + "1", "complex"),
            ("SELECT " + "1+" * 3_000 + "1", "simply"),
            ("SELECT " + "- " * 3_500 + "1", "simply|parse"),
            ("SELECT " + "CASE WHEN a THEN " * 1_000 + "1" + " END" * 1_000, "nested"),
            ("SELECT 1 " + "UNION SELECT 1 " * 1_500, "simply"),
        ],
        ids=lambda value: value[:40],
    )
    def test_each_with_its_reason(self, sql: str, said: str):
        assert re.search(said, reason(sql))

    def test_a_name_from_with_is_no_way_to_a_system_table(self):
        assert "pg_authid" in reason("SELECT * FROM (WITH pg_authid AS (SELECT 1) SELECT 1) x, pg_authid")

    def test_a_with_query_cannot_see_itself_unless_recursive(self):
        rules = {"allowed_schemas": {"analytics"}}
        assert "public" in reason("WITH t AS (SELECT * FROM t) SELECT * FROM t", **rules)
        assert check_query("WITH RECURSIVE t AS (SELECT 1 UNION SELECT 1 FROM t) SELECT * FROM t", **rules)


class TestAllowedSchemas:
    def test_tables_of_other_schemas_are_refused(self):
        assert check_query("SELECT * FROM analytics.t", allowed_schemas={"analytics"})
        assert "schema 'secret' is not open" in reason("SELECT * FROM secret.t", allowed_schemas={"analytics"})
        assert "secret" in reason('SELECT (SELECT max(a) FROM "secret".t)', allowed_schemas={"analytics"})

    def test_a_table_without_a_schema_is_one_of_public(self):
        assert check_query("SELECT * FROM t", allowed_schemas={"public"})
        assert "public" in reason("SELECT * FROM t", allowed_schemas={"analytics"})

    def test_system_schemas_are_never_open(self):
        assert "pg_catalog" in reason("SELECT * FROM pg_catalog.pg_class", allowed_schemas={"pg_catalog"})

    def test_a_cast_to_a_type_of_another_schema_is_refused(self):
        assert "secret" in reason("SELECT 'x'::secret.mood", allowed_schemas={"analytics"})


class TestTablesOf:
    def test_every_table_once_and_no_with_query(self):
        found = tables_of(
            'WITH x AS (SELECT * FROM a.t JOIN u USING (id)) SELECT * FROM x, a.t, (SELECT * FROM b."V w") y'
            " WHERE EXISTS (SELECT 1 FROM w)"
        )
        assert found == [(None, "u"), (None, "w"), ("a", "t"), ("b", "V w")]

    def test_functions_do_not_matter(self):
        assert tables_of("SELECT calculate_metrics() FROM t") == [(None, "t")]

    def test_what_is_no_query_has_no_tables(self):
        with pytest.raises(UnsafeQuery):
            tables_of("DROP TABLE t")


class TestAgainstTheServer:
    def test_what_the_guard_renders_runs_with_the_same_result(self, operations_url: str):
        queries = [
            "SELECT trim(both ' ' from ' a '), substring('abc' from 2 for 1), position('b' in 'abc')",
            "SELECT extract(year FROM date '2020-02-01'), interval '1 day' * 2,"
            " timestamp '2020-01-01' AT TIME ZONE 'utc', 'x' LIKE '_'",
            "SELECT E'a\\nb', '\\x', U&'d\\0061t', $q$x'y$q$, B'101', 1.50, 1e3, -5, NOT true, NULL",
            "SELECT 1 + 2 * 3 - (4 - 5), (1, 2) = (1, 2), 7 / 2, 7 % 3, 2 ^ 3, '{1,2}'::int[], (ARRAY[1, 2])[1]",
            "SELECT count(*) FILTER (WHERE n > 2), array_agg(n ORDER BY n DESC) FROM generate_series(1, 4) AS n",
        ]
        with psycopg2.connect(libpq_url(operations_url)) as connection, connection.cursor() as cursor:
            for query in queries:
                cursor.execute(query)
                wanted = cursor.fetchall()
                cursor.execute(check_query(query))
                assert cursor.fetchall() == wanted
        connection.close()
