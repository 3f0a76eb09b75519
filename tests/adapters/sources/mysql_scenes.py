"""Words for tests of MySQL sources: read all that a query gives."""

import pyarrow as pa

from dataops_defs.domain.columns import RejectedRow
from tests.mariadb import Shop, query


def read(shop: Shop, text: str) -> pa.Table:
    table, rejected = read_all(shop, text)
    assert rejected == []
    return table


def read_all(shop: Shop, text: str) -> tuple[pa.Table, list[RejectedRow]]:
    with shop.open().read(query(text)) as reading:
        return pa.Table.from_batches(reading.batches, reading.schema), reading.rejected
