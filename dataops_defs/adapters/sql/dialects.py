"""The guard of each kind of source that is asked in SQL."""

from collections.abc import Collection

from dataops_defs.adapters.sql.guard import check_query
from dataops_defs.adapters.sql.mysql_guard import check_mysql_query
from dataops_defs.domain.source import SourceType


def check_source_query(kind: SourceType, sql: str, *, allowed_functions: Collection[str] = frozenset()) -> str:
    """The query as it may run on a source of that kind.

    Raises:
        UnsafeQuery: with one reason.
    """
    check = check_mysql_query if kind is SourceType.MYSQL else check_query
    return check(sql, allowed_functions=allowed_functions)
