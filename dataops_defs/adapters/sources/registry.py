"""Which adapter opens which kind of source."""

from collections.abc import Collection, Sequence
from contextlib import nullcontext
from pathlib import Path

from dataops_defs.adapters.pg_line import During
from dataops_defs.adapters.sources.base import SourceAdapter
from dataops_defs.adapters.sources.csv_file import CsvSource
from dataops_defs.adapters.sources.excel_file import ExcelSource
from dataops_defs.adapters.sources.postgres import PostgresSource
from dataops_defs.domain.source import Source, SourceType
from dataops_defs.errors import Invalid


def open_source(
    source: Source,
    *,
    roots: Sequence[Path],
    allowed_functions: frozenset[str] = frozenset(),
    allowed_hosts: Collection[str] | str = (),
    during: During = nullcontext,
) -> SourceAdapter:
    """The adapter of a source; nothing is connected or opened yet.

    Args:
        roots: folders that files may be read from.
        allowed_functions: user-defined SQL functions that queries may call, lower case.
        allowed_hosts: hosts (or ``host:port``) that sources may name, as a list or separated by commas; empty
            allows all.
        during: told of what a source waits for that may keep silent; files do not.
    Raises:
        Invalid: the host is not on the list.
    """
    match source.type:
        case SourceType.POSTGRES:
            _check_host(source, allowed_hosts)
            return PostgresSource(source, allowed_functions, during=during)
        case SourceType.CSV:
            return CsvSource(source, tuple(roots))
        case SourceType.EXCEL:
            return ExcelSource(source, tuple(roots))


def _check_host(source: Source, allowed: Collection[str] | str) -> None:
    given = allowed.split(",") if isinstance(allowed, str) else allowed
    known = {host.strip().lower() for host in given if host.strip()}
    host = str(source.connection.get("host", "")).lower()
    if known and not known & {host, f"{host}:{source.connection.get('port') or 5432}"}:
        raise Invalid.field("connection.host", f"'{host}' is not among the hosts that sources may name")
