"""What flows (and bounded reads of the REST API) reach: the catalogue, the warehouse, the raw store, the sources."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial

from psycopg2.extensions import connection as Connection  # noqa: N812
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dataops_defs.adapters.line import During
from dataops_defs.adapters.sources.base import SourceAdapter
from dataops_defs.adapters.sources.files.mounted import mounted_source
from dataops_defs.adapters.sources.registry import open_source
from dataops_defs.adapters.storage.mounts.opened import Reach, mounted_files
from dataops_defs.adapters.storage.raw_store import RawStore
from dataops_defs.adapters.storage.roots import components
from dataops_defs.adapters.warehouse.connection import warehouse_connection
from dataops_defs.catalogue.database import catalogue_session
from dataops_defs.catalogue.mounts import Mounts
from dataops_defs.catalogue.sealing import Keyring
from dataops_defs.domain.mount import Mount, check_slashes, plain_path
from dataops_defs.domain.source import Source, SourceType
from dataops_defs.settings import Settings


@dataclass(frozen=True)
class Platform:
    """Nothing is opened before it is asked for."""

    settings: Settings

    @cached_property
    def keyring(self) -> Keyring:
        """The keys that open sealed secrets."""
        return Keyring(self.settings.keys_path).ensure()

    @cached_property
    def raw_store(self) -> RawStore:
        """Where raw copies of datasets are kept."""
        return RawStore(self.settings.raw_store_url, self.settings.s3_endpoint)

    @contextmanager
    def catalogue(self, *, durable: bool = True) -> Iterator[Session]:
        """One transaction on the catalogue; not ``durable`` for what is soon written again."""
        with catalogue_session(self.settings.url("catalogue"), durable=durable) as session:
            yield session

    def now(self) -> datetime:
        """The catalogue's time, by which runs begin and leases end: the clocks of machines differ."""
        with self.catalogue() as session:
            return session.scalars(select(func.now())).one()

    @contextmanager
    def warehouse(self, purpose: str = "dataops", role: str = "warehouse") -> Iterator[Connection]:
        """One transaction on the warehouse, as owner or as ``builder`` or ``reader``."""
        with warehouse_connection(self.settings.url(role), purpose) as connection:
            yield connection

    @property
    def reach(self) -> Reach:
        """What mounts may reach."""
        return Reach(self.settings.roots, self.settings.hosts, self.settings.max_file_bytes)

    def mounts(self, session: Session) -> Mounts:
        """All reads and writes of mounts."""
        return Mounts(session, self.keyring)

    def mount_above(self, path: str) -> Mount | None:
        """The mount that an absolute path lies in, as it is opened."""
        with self.catalogue() as session:
            mounts = self.mounts(session)
            row = mounts.above(plain_path(path))
            return None if row is None else mounts.opened(row)

    def open(self, source: Source, during: During = nullcontext) -> SourceAdapter:
        """The adapter of a source; ``during`` is told of what it waits for."""
        path = str(source.connection.get("path", "")) if source.type in (SourceType.CSV, SourceType.EXCEL) else ""
        mount = self.mount_above(path) if path.startswith("/") else None
        if mount is not None:
            components(path, "connection.path")
            check_slashes(path, "connection.path", mount.place.type)
            connect = partial(mounted_files, mount, self.reach, during)
            return mounted_source(source, connect, self.settings.max_file_bytes)
        return open_source(
            source,
            roots=self.settings.roots,
            allowed_functions=self.settings.allowed_functions,
            allowed_hosts=self.settings.hosts,
            max_file_bytes=self.settings.max_file_bytes,
            during=during,
        )
