"""A MySQL source over HTTP, from its creation to its first extraction. Source: document 004, US-1 and US-2."""

from tests.api_shim.conftest import Api
from tests.mariadb import Shop

QUERY = (
    "SELECT `kind`, GROUP_CONCAT(name ORDER BY id SEPARATOR '+') AS names, SUM(price) AS total FROM wares GROUP BY kind"
)


def test_a_shop_is_connected_looked_into_and_extracted(api: Api, shop: Shop) -> None:
    shop.sql("CREATE TABLE wares (id INT, kind VARCHAR(10), name VARCHAR(20), price DECIMAL(8, 2), since DATE)")
    shop.sql(
        "INSERT INTO wares VALUES (1, 'fruit', 'apple', 0.30, '2020-01-01'), (2, 'fruit', 'fig', 1.20, '0000-00-00')",
        init_command="SET sql_mode = ''",
    )
    source = api.post(
        "/sources",
        {"name": "Shop", "type": "mysql", "connection": shop.connection | {"password": shop.password}},
    )
    assert source["connection"] == shop.connection
    tested = api.post(f"/sources/{source['id']}/test")
    assert tested["success"] is True
    assert "MariaDB" in tested["message"]

    extraction = {"type": "sql", "query": QUERY}
    shown = api.post("/datasets/preview", {"sourceId": source["id"], "extraction": extraction})
    assert shown["rows"] == [{"kind": "fruit", "names": "apple+fig", "total": "1.50"}]
    made = api.dataset(source=source, extraction=extraction)
    done = api.post(f"/datasets/{made['id']}/extract")
    assert (done["success"], done["records"], done["rejected"]) == (True, 1, 0)

    dated = api.dataset("Dated", source=source, extraction={"type": "sql", "query": "SELECT * FROM wares ORDER BY id"})
    done = api.post(f"/datasets/{dated['id']}/extract")
    assert (done["success"], done["records"], done["rejected"]) == (True, 1, 1)
    [reject] = api.get(f"/datasets/{dated['id']}/rejects")
    assert (reject["column"], reject["raw"]["since"]) == ("since", "0000-00-00")


def test_a_query_that_may_not_run_is_refused_at_once(api: Api, shop: Shop) -> None:
    connection = shop.connection | {"password": shop.password}
    source = api.post("/sources", {"name": "Shop", "type": "mysql", "connection": connection})
    for query in ("DELETE FROM wares", "SELECT SLEEP(10)", "SELECT 1 INTO OUTFILE '/tmp/x'", "SELECT 1 /*! , 2 */"):
        body = {"name": "x", "sourceId": source["id"], "extraction": {"type": "sql", "query": query}}
        assert api.refused("POST", "/datasets", body) == (422, ["extraction.query"])
