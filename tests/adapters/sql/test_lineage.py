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

    def test_public_written_out_stays_written_out(self):
        assert column_lineage("SELECT a FROM public.t") == {"a": [("public", "t", "a")]}

    def test_quoted_names_keep_their_case(self):
        assert column_lineage('SELECT "Big" AS b FROM s."T x"') == {"b": [("s", "T x", "Big")]}

    def test_what_cannot_be_told_is_left_out(self):
        assert column_lineage("SELECT * FROM t") == {}
        assert column_lineage("SELECT count(*) AS n, 1 AS one FROM t") == {}
        assert column_lineage("no sql at all (") == {}
