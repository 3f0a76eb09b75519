from dataops_defs.adapters.sql.lineage import column_lineage


class TestColumnLineage:
    def test_columns_and_expressions_lead_to_their_tables(self):
        assert column_lineage(
            "SELECT c.id AS customer, c.name, count(o.id) AS orders, sum(o.amount * o.rate) AS spent"
            " FROM customers c LEFT JOIN sales.orders o ON c.id = o.customer_id GROUP BY 1, 2"
        ) == {
            "customer": [(None, "customers", "id")],
            "name": [(None, "customers", "name")],
            "orders": [("sales", "orders", "id")],
            "spent": [("sales", "orders", "amount"), ("sales", "orders", "rate")],
        }

    def test_with_queries_and_subqueries_are_looked_through(self):
        sql = "WITH x AS (SELECT a, b + c AS d FROM s.t) SELECT y.a AS z, y.d FROM (SELECT * FROM x) y"
        assert column_lineage(sql, {("s", "t"): ["a", "b", "c"]}) == {
            "z": [("s", "t", "a")],
            "d": [("s", "t", "b"), ("s", "t", "c")],
        }

    def test_a_union_comes_from_both(self):
        assert column_lineage("SELECT a FROM s.t UNION SELECT q FROM u") == {"a": [(None, "u", "q"), ("s", "t", "a")]}

    def test_known_columns_resolve_stars_and_joins(self):
        columns = {("s", "t"): ["id", "a"], (None, "u"): ["id", "b"]}
        assert column_lineage("SELECT * FROM s.t", columns) == {"id": [("s", "t", "id")], "a": [("s", "t", "a")]}
        assert column_lineage("SELECT a, b FROM s.t JOIN u USING (id)", columns) == {
            "a": [("s", "t", "a")],
            "b": [(None, "u", "b")],
        }

    def test_known_columns_keep_their_case_in_a_star(self):
        columns = {("s", "T x"): ["Id", "B c"]}
        assert column_lineage('SELECT * FROM s."T x"', columns) == {
            "Id": [("s", "T x", "Id")],
            "B c": [("s", "T x", "B c")],
        }

    def test_public_written_out_stays_written_out(self):
        assert column_lineage("SELECT a FROM public.t") == {"a": [("public", "t", "a")]}

    def test_quoted_names_keep_their_case(self):
        assert column_lineage('SELECT "Big" AS b FROM s."T x"') == {"b": [("s", "T x", "Big")]}

    def test_columns_that_a_tables_alias_renames_are_told_by_the_tables_names(self):
        columns = {("s", "T x"): ["Id", "b"], (None, "t"): ["id", "a", "b"]}
        assert column_lineage("SELECT q.p, q.b FROM t AS q(P, o)", columns) == {
            "p": [(None, "t", "id")],
            "b": [(None, "t", "b")],
        }
        assert column_lineage('SELECT q.p, r.k FROM s."T x" AS q(p) JOIN t AS r(k) ON p = k', columns) == {
            "p": [("s", "T x", "Id")],
            "k": [(None, "t", "id")],
        }
        sql = "WITH w AS (SELECT id, a FROM t) SELECT q.p, q.o FROM w AS q(p, o)"
        assert column_lineage(sql, columns) == {"p": [(None, "t", "id")], "o": [(None, "t", "a")]}
        assert column_lineage("SELECT q.p, r.id FROM t AS q(p, o) JOIN t AS r ON true") == {"id": [(None, "t", "id")]}

    def test_what_cannot_be_told_is_left_out(self):
        assert column_lineage("SELECT * FROM t") == {}
        assert column_lineage("SELECT count(*) AS n, 1 AS one FROM t") == {}
        assert column_lineage("no sql at all (") == {}
