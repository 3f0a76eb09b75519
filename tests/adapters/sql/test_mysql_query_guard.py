import re
from typing import Any

import pymysql
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataops_defs.adapters.sql.mysql_guard import check_mysql_query
from dataops_defs.errors import UnsafeQuery
from tests.mariadb import Shop


def reason(sql: str, **rules: Any) -> str:
    with pytest.raises(UnsafeQuery) as refused:
        check_mysql_query(sql, **rules)
    assert refused.value.fields[0].field == "query"
    return refused.value.fields[0].message.removeprefix("this query may not run: ")


class TestWhatMayRun:
    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT 1",
            "SELECT * FROM shop.customers LIMIT 5, 10",
            "SELECT c.`id`, COUNT(DISTINCT o.id) AS n, GROUP_CONCAT(o.name ORDER BY o.id SEPARATOR ', ')"
            " FROM customers c LEFT JOIN orders o ON c.id = o.customer_id GROUP BY c.id WITH ROLLUP"
            " HAVING COUNT(*) > 1 ORDER BY 2 DESC",
            "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r",
            "WITH a (x, `y`) AS (SELECT 1, 2), b AS (SELECT * FROM a) SELECT * FROM b",
            "(SELECT a FROM t) UNION (SELECT b FROM u) ORDER BY 1 LIMIT 3",
            "SELECT a DIV b, a MOD b, a XOR b, a <=> b, a RLIKE 'x', BINARY a, !a, ~a, a << 2, a && b, a || b FROM t",
            "SELECT x'4142', b'01', 0x41, N'a', _utf8mb4'x' COLLATE utf8mb4_bin, 1.5e-3, .5, 5--1, 'a' 'b', \"it's\"",
            "SELECT SUBSTRING(a FROM 1 FOR 2), TRIM(BOTH 'x' FROM a), EXTRACT(YEAR_MONTH FROM a),"
            " CHAR(65 USING utf8mb4), TIMESTAMPDIFF(DAY, a, b), a + INTERVAL 1 DAY, POSITION('a' IN b),"
            " DATE '2020-01-01' FROM t",
            "SELECT IF(a, 1, 2), REPLACE(a, 'x', 'y'), INSERT('abc', 1, 1, 'x'), LEFT(a, 2), CAST(a AS DECIMAL(10, 2)),"
            " CONVERT(a, UNSIGNED), CONVERT(a USING utf8mb4), CASE WHEN a IN (1, 2) THEN (1) ELSE (2) END FROM t",
            "SELECT a->>'$.x', JSON_EXTRACT(a, '$.y'), JSON_ARRAYAGG(b) FROM t",
            "SELECT * FROM JSON_TABLE('[1]', '$[*]' COLUMNS (a INT PATH '$')) AS j",
            "SELECT ROW_NUMBER() OVER w, SUM(a) OVER (PARTITION BY b ORDER BY c) FROM t WINDOW w AS (PARTITION BY a)",
            "SELECT * FROM t WHERE EXISTS (SELECT 1 FROM u) AND a = ANY (SELECT b FROM v) AND (a, b) IN ((1, 2))",
            "SELECT SQL_NO_CACHE MATCH (a) AGAINST ('x' IN BOOLEAN MODE) FROM t PARTITION (p0) USE INDEX (i)",
            "SELECT t.update, t.`into`, `lock`, t.sys FROM t",
            "SELECT '@a := ? {x} /*! ; -- #', `odd name; --` FROM t",
        ],
    )
    def test_plain_queries_of_every_kind_as_they_were_written(self, sql: str):
        assert check_mysql_query(sql) == sql

    def test_comments_and_the_last_semicolon_are_left_out(self):
        assert check_mysql_query("select/* a */1 -- ; drop table t\n, 2 # x\n ; ") == "select 1 , 2"

    def test_a_function_an_admin_has_listed(self):
        assert "calculate_metrics" in reason("SELECT calculate_metrics(1)")
        assert check_mysql_query("SELECT Calculate_Metrics(1)", allowed_functions={"calculate_metrics"})
        assert "without a schema" in reason("SELECT a.calculate_metrics(1)", allowed_functions={"calculate_metrics"})
        assert check_mysql_query("SELECT a.`calculate_metrics`(1)", allowed_functions={"a.calculate_metrics"})


class TestWhatMayNot:
    @pytest.mark.parametrize(
        ("sql", "said"),
        [
            ("", "empty"),
            ("SELECT 1 ; ;", "one statement"),
            ("-- nothing", "empty"),
            ("SELECT 1; SELECT 2", "one statement"),
            ("SELECT 'a\\\\'; DELETE FROM t; -- '", "one statement"),
            ("SELECT `a``; DELETE FROM t; -- `;SELECT 1", "one statement"),
            ("VALUES (1, 2)", "must be a SELECT"),
            ("TABLE t", "must be a SELECT"),
            ("INSERT INTO t VALUES (1)", "must be a SELECT"),
            ("REPLACE INTO t VALUES (1)", "must be a SELECT"),
            ("SET STATEMENT max_statement_time = 0 FOR SELECT 1", "must be a SELECT"),
            ("HANDLER t OPEN", "must be a SELECT"),
            ("EXPLAIN SELECT 1", "must be a SELECT"),
            ("SHOW GRANTS", "must be a SELECT"),
            ("CALL p()", "must be a SELECT"),
            ("DO SLEEP(5)", "must be a SELECT"),
            ("LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t", "must be a SELECT"),
            ("PREPARE s FROM 'DELETE FROM t'", "must be a SELECT"),
            ("BEGIN NOT ATOMIC DELETE FROM t; END", "one statement"),
            ("(DELETE FROM t)", "must be a SELECT"),
            ("SELECT * INTO OUTFILE '/tmp/x' FROM t", "INTO"),
            ("SELECT * FROM t INTO DUMPFILE '/tmp/x'", "INTO"),
            ("SELECT 1/**/INTO/**/OUTFILE '/tmp/x'", "INTO"),
            ("SELECT a INTO b FROM t", "INTO"),
            ("SELECT 1 INTO @a", "INTO|variables"),
            ("SELECT @a := 1", "variables"),
            ("SELECT @@datadir", "variables"),
            ("SELECT @'a'", "variables"),
            ("SELECT a := 1", "sign ':'"),
            ("SELECT * FROM t FOR UPDATE", "locks rows"),
            ("SELECT * FROM t FOR SHARE NOWAIT", "lock rows"),
            ("SELECT * FROM t LOCK IN SHARE MODE", "locks rows"),
            ("SELECT * FROM t PROCEDURE ANALYSE()", "PROCEDURE"),
            ("WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", "DELETE"),
            ("WITH d AS (SELECT 1) DELETE FROM t", "DELETE"),
            ("WITH d AS (SELECT 1) INSERT INTO t SELECT * FROM d", "INTO"),
            ("SELECT NEXT VALUE FOR s", "sequences"),
            ("SELECT NEXTVAL(s)", "nextval"),
            ("SELECT SETVAL(s, 1)", "setval"),
            ("SELECT 1 /*!50000 UNION SELECT password FROM mysql.user */", "carried out"),
            ("SELECT 1 /*M! INTO OUTFILE '/tmp/x' */", "carried out"),
            ("SELECT /*+ SET_VAR(sql_mode = 'ANSI_QUOTES') */ 1", "hints"),
            ("SELECT LOAD_FILE('/etc/passwd')", "load_file"),
            ("SELECT LOAD_FILE/* x */('/etc/passwd')", "load_file"),
            ("SELECT `load_file`('/etc/passwd')", "load_file"),
            ("SELECT load_file -- x\n('/etc/passwd')", "load_file"),
            ("SELECT SLEEP(10)", "sleep"),
            ("SELECT id FROM t ORDER BY SLEEP(10)", "sleep"),
            ("SELECT * FROM t WHERE (SELECT SLEEP(10))", "sleep"),
            ("WITH sleep (a) AS (SELECT 1) SELECT sleep(a) FROM sleep", "sleep"),
            ("SELECT BENCHMARK(1000000000, MD5('a'))", "benchmark"),
            ("SELECT GET_LOCK('a', 10)", "get_lock"),
            ("SELECT RELEASE_ALL_LOCKS()", "release_all_locks"),
            ("SELECT MASTER_POS_WAIT('a', 1)", "master_pos_wait"),
            ("SELECT SYS_EXEC('id')", "sys_exec"),
            ("SELECT USER(), VERSION()", "user"),
            ("SELECT CURRENT_USER", "users"),
            ("SELECT LAST_INSERT_ID(5)", "last_insert_id"),
            ("SELECT other.do_things(1)", "without a schema"),
            ("SELECT sys.version_major()", "sys"),
            ("SELECT * FROM mysql.user", "mysql"),
            ("SELECT * FROM `MySQL` . `user`", "mysql"),
            ("SELECT * FROM information_schema.tables", "information_schema"),
            ("SELECT * FROM t JOIN performance_schema.threads", "performance_schema"),
            ("SELECT ?", "parameter"),
            ("SELECT {fn SLEEP(5)}", "sign '{'"),
            ("SELECT \\N", "sign"),
            ("SELECT\u00a0SLEEP(5)", "sign"),
            ("SELECT a\u200b FROM t", "sign"),
            ("SELECT a FROM", "simply"),
            ("SELECT 'open", "no end"),
            ("SELECT 'open\\'", "no end"),
            ("SELECT 'open''", "no end"),
            ("SELECT 1 /* open", "no end"),
            ("SELECT 1\x00; DROP TABLE t", "NUL"),
            ("SELECT '\ud800'", "UTF-8"),
            ("SELECT " + "1" * 70_000, "64 KB"),
            ("SELECT " + "(" * 3000 + "1" + ")" * 3000, "nested"),
            ("SELECT " + "1+" * 30_000 + "1", "complex"),
            ("SELECT " + "CASE WHEN a THEN " * 1_000 + "1" + " END" * 1_000, "nested"),
            ("SELECT 1 " + "UNION SELECT 1 " * 4_000, "complex"),
        ],
        ids=lambda value: value[:40],
    )
    def test_each_with_its_reason(self, sql: str, said: str):
        assert re.search(said, reason(sql))


class TestAgainstTheServer:
    @pytest.fixture
    def cursor(self, shop: Shop) -> Any:
        given = {"host": "127.0.0.1", "port": shop.server.port, "user": "root", "database": shop.name}
        with pymysql.connect(charset="utf8mb4", **given) as connection:
            yield connection.cursor()

    @given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40), quote=st.sampled_from("'\""))
    @settings(deadline=None, suppress_health_check=list(HealthCheck))
    def test_any_text_stays_the_text_it_is(self, cursor: Any, text: str, quote: str):
        if "\x00" in text:
            return
        doubled = text.replace("\\", "\\\\").replace(quote, quote * 2)
        cursor.execute(check_mysql_query(f"SELECT {quote}{doubled}{quote} AS a /* ; */"))
        assert cursor.fetchall() == ((text,),)

    @given(st.text("'\"`\\ab-#/*!;() \n", max_size=14))
    @settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
    def test_what_passes_is_to_the_server_what_it_was_before(self, cursor: Any, text: str):
        """Texts, names and comments end where the server ends them: else the two would differ."""
        wanted = f"SELECT {text} AS a, 'end' AS last"
        try:
            made = check_mysql_query(wanted)
        except UnsafeQuery:
            return
        assert self._answer(cursor, made) == self._answer(cursor, wanted)

    @staticmethod
    def _answer(cursor: Any, sql: str) -> Any:
        try:
            cursor.execute(sql)
        except pymysql.MySQLError as error:
            return error.args[0]
        return cursor.fetchall()
