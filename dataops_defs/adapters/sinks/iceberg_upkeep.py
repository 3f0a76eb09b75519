"""The lake's house-keeping: old snapshots end, and files that no snapshot refers to go.

Source: Iceberg table specification, "Snapshot Retention Policy"; Iceberg documentation, "Maintenance".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dataops_defs.adapters.sinks.iceberg import OWNER, Lake, refusals
from dataops_defs.errors import DependencyUnavailable


@dataclass(frozen=True)
class Upkeep:
    """What went from a table: snapshots, files, and the bytes of these."""

    snapshots: int
    files: int
    bytes: int


def tables_of_imports(lake: Lake) -> list[str]:
    """Names of the tables that imports have made; of those that others made nothing is touched."""
    with refusals("the lake"):
        catalogue = lake.open()
        names = [".".join(each) for space in catalogue.list_namespaces() for each in catalogue.list_tables(space)]
        return [name for name in names if catalogue.load_table(name).properties.get(OWNER)]


def keep_up(lake: Lake, name: str, *, expired: datetime | None, unwritten: datetime) -> Upkeep:
    """End the snapshots from before ``expired`` (None: none), but the current one; then remove what nobody refers to.

    Args:
        unwritten: no write that is still at work began before; what is younger may be about to be referred to.

    Raises:
        DependencyUnavailable: the files are not where the table says, so that nothing was removed.
    """
    with refusals(name):
        table = lake.open().load_table(name)
        before = len(table.snapshots())
        if expired is not None and any(each.timestamp_ms < expired.timestamp() * 1000 for each in table.snapshots()):
            table.maintenance.expire_snapshots().older_than(expired).commit()
        gone = [each for each in _unreferred(table) if each.mtime < unwritten]
        for each in gone:
            _files(table).delete_file(each.path)
        return Upkeep(before - len(table.snapshots()), len(gone), sum(each.size for each in gone))


def _unreferred(table: Any) -> list[Any]:
    from pyarrow.fs import FileSelector, FileType

    found = _files(table).get_file_info(FileSelector(_path(table, table.location()), recursive=True))
    files = {each.path: each for each in found if each.type is FileType.File}
    referred = {_path(table, each) for each in _referred(table)}
    if not referred <= files.keys():
        raise DependencyUnavailable(f"Files are missing of iceberg:{'.'.join(table.name())}; none is removed")
    return [file for path, file in files.items() if path not in referred]


def _referred(table: Any) -> Iterator[str]:
    """Every file that a reader of any snapshot, or of an earlier state of the table, may ask for."""
    yield table.metadata_location
    yield from (each.metadata_file for each in table.metadata.metadata_log)
    for snapshot in table.snapshots():
        yield snapshot.manifest_list
        for manifest in snapshot.manifests(table.io):
            yield manifest.manifest_path
            yield from (each.data_file.file_path for each in manifest.fetch_manifest_entry(table.io))


def _files(table: Any) -> Any:
    scheme, host, _ = table.io.parse_location(table.location(), table.io.properties)
    return table.io.fs_by_scheme(scheme, host)


def _path(table: Any, address: str) -> str:
    """As listings of the file system name it."""
    return str(table.io.parse_location(address, table.io.properties)[2])
