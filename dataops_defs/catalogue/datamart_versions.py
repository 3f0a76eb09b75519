"""Versions of versioned datamarts in the catalogue. The caller owns the transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dataops_defs.catalogue.datamart_rows import DatamartVersionRow
from dataops_defs.catalogue.definitions import as_uuid
from dataops_defs.catalogue.models import DatamartRow, RunRow
from dataops_defs.domain.datamart import VersionStatus
from dataops_defs.domain.naming import slug
from dataops_defs.errors import Conflict, Invalid, NotFound


class DatamartVersions:
    """All reads and writes of versions."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, id: str) -> DatamartVersionRow:
        """The version of that id; NotFound when there is none."""
        key = as_uuid(id)
        row = self._session.get(DatamartVersionRow, key) if key else None
        if row is None:
            raise NotFound(f"Version {id[:80]} not found")
        return row

    def of(self, datamart_id: str) -> Sequence[DatamartVersionRow]:
        """All versions of a datamart, newest first."""
        query = select(DatamartVersionRow).where(DatamartVersionRow.datamart_id == datamart_id)
        return self._session.scalars(query.order_by(DatamartVersionRow.id.desc())).all()

    def find(self, datamart_id: str, version: str) -> DatamartVersionRow | None:
        """The version of that name, or None."""
        query = select(DatamartVersionRow).where(
            DatamartVersionRow.datamart_id == datamart_id, DatamartVersionRow.slug == slug(version, "version")
        )
        return self._session.scalar(query)

    def current_of(self, rows: Sequence[DatamartRow]) -> dict[str, DatamartVersionRow]:
        """The versions that datamarts show, by the datamart's id."""
        ids = [row.current_version_id for row in rows if row.current_version_id is not None]
        found = self._session.scalars(select(DatamartVersionRow).where(DatamartVersionRow.id.in_(ids)))
        return {each.datamart_id: each for each in found}

    def being_built(self, row: DatamartVersionRow) -> bool:
        """Whether a run is at it, or waits."""
        run = self._session.get(RunRow, row.run_id) if row.run_id else None
        return row.status is VersionStatus.BUILDING and run is not None and not run.state.ended

    def add(self, row: DatamartVersionRow) -> DatamartVersionRow:
        """Store a new version.

        Raises:
            Conflict: another request stored one of that name at the same moment.
        """
        try:
            with self._session.begin_nested():
                self._session.add(row)
                self._session.flush()
        except IntegrityError:
            raise Conflict(f"Version '{row.version}' is being built; try again when it is done") from None
        return row

    def to_roll_back_to(self, row: DatamartRow, version: str | None) -> DatamartVersionRow:
        """The version that shall be current again; left out, the one made before the current one.

        Raises:
            NotFound: no version has that name.
            Conflict: it is not there to be read, or nothing was made before the current one.
        """
        versions = self.of(row.id)
        if version is None:
            older = [each for each in versions if each.id < (row.current_version_id or "")]
            found = next((each for each in older if each.status is VersionStatus.READY), None)
            if found is None:
                raise Conflict(f"Datamart '{row.name}' has no version before the current one")
            return found
        found = self._named(row, version)
        if found.status is not VersionStatus.READY:
            raise Conflict(f"Version '{found.version}' of '{row.name}' is {found.status}: it cannot be gone back to")
        return found

    def built(self, row: DatamartVersionRow, moment: datetime, rows: int, size: int) -> None:
        """Note that a version is complete; its time runs from now on."""
        row.status, row.error, row.built_at = VersionStatus.READY, None, moment
        row.rows_count, row.size_bytes = rows, size
        row.expires_at = ends(moment, row.retention_days)

    def over(self, moment: datetime) -> Sequence[tuple[DatamartVersionRow, DatamartRow]]:
        """Versions whose time is over, with their datamarts; never a current one."""
        query = (
            select(DatamartVersionRow, DatamartRow)
            .join(DatamartRow, DatamartRow.id == DatamartVersionRow.datamart_id)
            .where(
                DatamartVersionRow.status == VersionStatus.READY,
                DatamartVersionRow.expires_at < moment,
                DatamartVersionRow.id.is_distinct_from(DatamartRow.current_version_id),
            )
            .order_by(DatamartVersionRow.id)
        )
        return [(version, datamart) for version, datamart in self._session.execute(query)]

    def _named(self, row: DatamartRow, version: str) -> DatamartVersionRow:
        missing = NotFound(f"Datamart '{row.name}' has no version '{version[:80]}'")
        try:
            found = self.find(row.id, version)
        except Invalid:
            raise missing from None
        if found is None:
            raise missing
        return found


def ends(built_at: datetime, retention_days: int | None) -> datetime | None:
    """When a version's time is over; None where it is kept."""
    return None if retention_days is None else built_at + timedelta(days=retention_days)
