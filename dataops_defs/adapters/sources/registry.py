"""Which adapter opens which kind of source."""

from collections.abc import Collection, Sequence
from contextlib import nullcontext
from pathlib import Path

from dataops_defs.adapters.hosts import is_listed
from dataops_defs.adapters.line import During
from dataops_defs.adapters.sources.base import SourceAdapter
from dataops_defs.adapters.sources.csv.file import CsvSource
from dataops_defs.adapters.sources.excel.file import ExcelSource
from dataops_defs.adapters.sources.files.local import LocalFiles
from dataops_defs.adapters.sources.files.remote import remote_source
from dataops_defs.adapters.sources.http.api import ApiSource
from dataops_defs.adapters.sources.http.guard import is_endpoint_listed
from dataops_defs.adapters.sources.mysql.session import DEFAULT_PORT as MYSQL_PORT
from dataops_defs.adapters.sources.mysql.source import MysqlSource
from dataops_defs.adapters.sources.postgres.source import DEFAULT_PORT as POSTGRES_PORT
from dataops_defs.adapters.sources.postgres.source import PostgresSource
from dataops_defs.adapters.storage.remote.address import RemoteAddress
from dataops_defs.adapters.storage.spool import MAX_BYTES
from dataops_defs.domain.source import Source, SourceType


def open_source(
    source: Source,
    *,
    roots: Sequence[Path],
    allowed_functions: frozenset[str] = frozenset(),
    allowed_hosts: Collection[str] | str = (),
    max_file_bytes: int = MAX_BYTES,
    during: During = nullcontext,
) -> SourceAdapter:
    """The adapter of a source; nothing is connected or opened yet.

    Args:
        roots: folders that files may be read from.
        allowed_functions: user-defined SQL functions that queries may call, lower case.
        allowed_hosts: hosts (or ``host:port``) that sources may name, as a list or separated by commas; ``*`` stands
            for all others. Empty allows all but this machine itself, and of REST APIs all that are public.
        max_file_bytes: that are read of one remote file or object, packed or unpacked.
        during: told of what a source waits for that may keep silent; local files do not.
    Raises:
        Invalid: the host is not on the list.
    """
    match source.type:
        case SourceType.POSTGRES:
            listed = _is_host_listed(source, allowed_hosts, POSTGRES_PORT)
            return PostgresSource(source, allowed_functions, listed=listed, during=during)
        case SourceType.MYSQL:
            listed = _is_host_listed(source, allowed_hosts, MYSQL_PORT)
            return MysqlSource(source, allowed_functions, listed=listed, during=during)
        case SourceType.CSV | SourceType.EXCEL:
            return _file_source(source, tuple(roots), allowed_hosts, max_file_bytes, during)
        case SourceType.S3:
            return _s3_source(source, allowed_hosts, max_file_bytes, during)
        case SourceType.API:
            return ApiSource(source, listed=is_endpoint_listed(source.connection, allowed_hosts), during=during)


def _file_source(
    source: Source, roots: Sequence[Path], allowed_hosts: Collection[str] | str, max_bytes: int, during: During
) -> SourceAdapter:
    address = RemoteAddress.of(str(source.connection["path"]))
    if address is not None:
        listed = is_listed(address.host, address.port, allowed_hosts, "connection.path")
        return remote_source(source, address, listed=listed, max_bytes=max_bytes, during=during)
    return LocalFiles(CsvSource(source, roots) if source.type is SourceType.CSV else ExcelSource(source, roots))


def _s3_source(source: Source, allowed_hosts: Collection[str] | str, max_bytes: int, during: During) -> SourceAdapter:
    # boto3 takes a third of a second to import: only those who use it pay.
    from dataops_defs.adapters.sources.s3 import S3Source

    listed = bool(source.connection.get("endpoint")) and is_endpoint_listed(source.connection, allowed_hosts)
    return S3Source(source, listed=listed, max_bytes=max_bytes, during=during)


def _is_host_listed(source: Source, allowed: Collection[str] | str, default_port: int) -> bool:
    host, port = str(source.connection.get("host", "")), source.connection.get("port") or default_port
    return is_listed(host, port, allowed, "connection.host")
