"""Grants on sources, asked for in one way everywhere.

What reaches a source, or shows its rows, takes the right to use it: tests, previews, suggestions from samples,
extractions, syncs, rejected rows, and whatever will do so later: datasets, mappings, ETL pipelines and graphs that are
made or changed. A source that may not be seen is not there. Schedules and sensors run as the platform: the right was
asked for when they were set.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from fastapi import Depends, Request
from sqlalchemy import select
from sqlalchemy.orm import Session

from api_shim.auth import Caller, caller_of
from api_shim.dependencies import shim_of
from api_shim.shim import Shim
from dataops_defs.catalogue.grants import NOT_TO_USE, Grants, Reads, Right, granted
from dataops_defs.catalogue.models import SourceRow
from dataops_defs.catalogue.sources import Sources
from dataops_defs.catalogue.tokens import Role
from dataops_defs.domain.source import SourceType
from dataops_defs.errors import Forbidden
from dataops_defs.flows.ways import Ways


def sources_for(session: Session, shim: Shim, caller: Caller) -> Sources:
    """The sources that somebody may see; those to use can be opened."""
    return Sources(session, shim.platform.keyring, caller.holder)


def check_use(session: Session, caller: Caller, *sources: str | None) -> None:
    """Refuse whoever may not use one of these sources, given by their ids.

    Raises:
        Forbidden: its name is not told.
    """
    Grants(session).check_use(caller.holder, sources)


def check_file_use(session: Session, shim: Shim, caller: Caller, path: str, *, folder: bool = False) -> None:
    """Refuse whoever may not use a source of files that holds this file: a path leads to the same rows.

    Args:
        folder: the path is a folder's, and files below it are meant too.

    Raises:
        Forbidden: the source's name is not told.
    """
    refused = unusable(session, shim, caller, folder=folder)
    if refused is not None and refused(path):
        raise Forbidden(NOT_TO_USE)


def unusable(session: Session, shim: Shim, caller: Caller, *, folder: bool = False) -> Callable[[str], bool] | None:
    """Tells of a path whether `check_file_use` refuses it; None where it refuses none."""
    if caller.role >= Role.ADMIN:
        return None
    query = select(SourceRow).where(
        SourceRow.type.in_((SourceType.CSV, SourceType.EXCEL, SourceType.S3)),
        SourceRow.restricted,
        ~granted(caller.holder, Right.USE),
    )
    bases = [_base(source) for source in session.scalars(query)]
    if not bases:
        return None
    ways = Ways.of(shim.platform, session)
    return lambda path: any(ways.meet(path, base, either=folder) for base in bases)


def _base(source: SourceRow) -> str:
    """Where the files of a source lie."""
    given = source.connection
    if source.type == SourceType.S3:
        return f"s3://{given['bucket']}/{given.get('prefix', '')}"
    return str(given["path"])


@dataclass(frozen=True)
class Uses:
    """Dependency of routes whose path names a definition: the sources it reads take the right to use them."""

    parameter: str
    read_by: Callable[[Reads, Collection[str]], set[str]]

    def __call__(self, request: Request) -> None:
        """Refuse; a definition that does not exist is left to the route.

        Raises:
            Forbidden: one of the sources may not be used.
        """
        caller = caller_of(request)
        if caller.role >= Role.ADMIN:
            return
        with shim_of(request).platform.catalogue() as session:
            check_use(session, caller, *self.read_by(Reads(session), [request.path_params[self.parameter]]))


DATASET_USES = Depends(Uses("dataset_id", Reads.datasets))
MAPPING_USES = Depends(Uses("mapping_id", Reads.mappings))
PIPELINE_USES = Depends(Uses("pipeline_id", Reads.pipelines))
ETL_USES = Depends(Uses("pipeline_id", Reads.etl_pipelines))
