"""Words for imports of files: ask for one, run it, look at what became of it; and for watched folders."""

from dataclasses import dataclass
from typing import Any

from dataops_defs.adapters.warehouse.rejects import Filter, stream_rejects
from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.import_rows import ImportRow
from dataops_defs.catalogue.imports import Imports
from dataops_defs.catalogue.leases import Leases
from dataops_defs.catalogue.models import RunRow
from dataops_defs.catalogue.runs import Runs
from dataops_defs.catalogue.watch_rows import WatchedFileRow, WatchRow
from dataops_defs.catalogue.watches import Watches
from dataops_defs.domain.importing import ImportOptions, LoadMode, TargetFormat
from dataops_defs.domain.run import RunKind, RunState
from dataops_defs.flows.import_arrivals import import_arrivals
from dataops_defs.flows.import_file import import_file
from dataops_defs.flows.lease import Lease
from dataops_defs.flows.look_into_folder import look_into_folder
from dataops_defs.flows.outbox import Launch
from dataops_defs.flows.work import Work
from tests.scenes import World

CUSTOMERS = (
    "customer_id,name,zip,created_at,balance,active\n"
    "1001,Ann,01234,2024-06-01 10:00:00,12.50,true\n"
    "1002,Bob,98765,2024-06-02 11:30:00,7,false\n"
    "1003,,10001,,0.25,true\n"
)
TYPES = {
    "customer_id": "BIGINT",
    "name": "TEXT",
    "zip": "TEXT",
    "created_at": "TIMESTAMP",
    "balance": "NUMERIC(18,2)",
    "active": "BOOLEAN",
}
DECLARED = (
    "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position"
)


def rejects(world: World, id: str) -> list[tuple[int, str | None, str, Any]]:
    with world.platform.warehouse() as connection:
        return [(row.row_number, row.column, row.reason, row.raw) for row in stream_rejects(connection, Filter(id))]


def asked(
    world: World,
    path: str,
    table: str = "customers",
    *,
    schema: str = "raw",
    format: TargetFormat = TargetFormat.POSTGRES,
    mode: LoadMode = LoadMode.REPLACE,
    owner: str | None = None,
    email: str | None = None,
    **options: Any,
) -> str:
    """Ask for an import; returns its id."""
    with world.platform.catalogue() as session:
        row = ImportRow(
            path=path,
            target_format=format,
            target_schema=schema,
            target_table=table,
            mode=mode,
            owner=owner or (f"gathered:{table}" if mode is LoadMode.APPEND else f"file:{path}"),
            options=ImportOptions(**options).as_json(),
            requested_by="test",
            notification_email=email,
        )
        return Imports(session).add(row).id


def imported(world: World, path: str, table: str = "customers", **more: Any) -> ImportRow:
    """Ask for an import and do it; returns what became of it."""
    id = asked(world, path, table, **more)
    import_file(world.work(), id)
    return found(world, id)


def found(world: World, id: str) -> ImportRow:
    with world.platform.catalogue() as session:
        return Imports(session).get(id)


def put(world: World, name: str, content: str | bytes) -> str:
    """Put a file there; returns its path."""
    path = world.files / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


@dataclass
class Folder:
    """A watched folder, and words for what happens in it."""

    world: World
    watch: str

    @classmethod
    def of(cls, world: World, *patterns: str, folder: str = "in", **more: Any) -> "Folder":
        (world.files / folder).mkdir(parents=True, exist_ok=True)
        given = [{"pattern": each} for each in patterns or ("*.csv",)]
        with world.platform.catalogue() as session:
            row = WatchRow(name=f"{folder} {new_id()}", folder=folder, patterns=given, **more)
            return cls(world, Watches(session).add(row).id)

    def put(self, name: str, content: str | bytes) -> None:
        put(self.world, f"in/{name}", content)

    def look(self) -> list[Launch]:
        """One look; the imports it asks for."""
        return list(look_into_folder(self.world.platform, self.watch).launches)

    def run(self, launch: Launch) -> None:
        """Do what a look has asked for, as its Dagster run would."""
        [config] = launch.run_config["ops"].values()
        import_arrivals(worker(self.world, launch.run_id), config["config"]["subject_id"])

    def settle(self) -> int:
        """Look twice, and do what is asked for then; returns how many runs that were."""
        launches = [*self.look(), *self.look()]
        for each in launches:
            self.run(each)
        return len(launches)

    def states(self) -> dict[str, str]:
        """Where each file stands, by its name."""
        with self.world.platform.catalogue() as session:
            rows = session.query(WatchedFileRow).filter(WatchedFileRow.watch_id == self.watch).all()
            return {row.path.rpartition("/")[2]: str(row.status) for row in rows}

    def row(self) -> WatchRow:
        with self.world.platform.catalogue() as session:
            return Watches(session).get(self.watch)


def worker(world: World, run_id: str) -> Work:
    """The run's worker, or after the death of that one the next."""
    with world.platform.catalogue() as session:
        row = session.get_one(RunRow, run_id)
        row.state, row.dagster_run_id = RunState.QUEUED, None
        session.flush()
        held = Leases(session).begin(run_id, new_id())
    assert held is not None
    return Work(world.platform, Lease(world.platform, held), say=lambda _text: None)


def a_run(world: World, import_id: str) -> str:
    """The record of a run that is to do an import."""
    with world.platform.catalogue() as session:
        return Runs(session).request(RunKind.IMPORT, import_id, "test").id
