"""A mount as a request asks for it: looked at first, kept only when it answers."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydantic.alias_generators import to_snake
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from api_shim.auth import Caller
from api_shim.connections import Checked, checked
from api_shim.grants import check_file_use
from api_shim.schemas.mounts import MountRequest
from api_shim.shim import Shim
from dataops_defs.adapters.storage.mounts.opened import Look, look_at
from dataops_defs.adapters.storage.mounts.way import way_to
from dataops_defs.catalogue.audit import Actor, audit
from dataops_defs.catalogue.base import new_id, now
from dataops_defs.catalogue.mount_rows import MountRow
from dataops_defs.domain.mount import (
    SOURCE_TYPES,
    Mount,
    MountStatus,
    NetworkPlace,
    StorageType,
    Via,
    connection_of,
    local_path_of,
    network_place,
)
from dataops_defs.domain.source import split_secrets
from dataops_defs.errors import Conflict, FieldProblem, Invalid


@dataclass(frozen=True)
class Wanted:
    """A mount that is asked for; ``credentials`` is None where those that it has are to stay."""

    local_path: str
    network_path: str
    place: NetworkPlace
    via: Via
    credentials: Mapping[str, str] | None = field(repr=False)


def wanted_of(shim: Shim, body: MountRequest) -> Wanted:
    """What a request asks for.

    Raises:
        Invalid: a path that is none, or that cannot be mounted from here.
    """
    settings = shim.settings
    folders = [str(root.absolute()) for root in settings.roots]
    local_path = local_path_of(body.local_path, settings.mount_folders, folders=folders)
    place = network_place(body.network_path, body.storage_type)
    given = body.credentials.given() if body.credentials else None
    via = way_to(local_path, place, shim.settings.roots)
    if via is not Via.CLIENT and given:
        raise Invalid.field("credentials", f"are of no use: {local_path} is read as a folder of this machine")
    return Wanted(local_path, body.network_path, place, via, given)


def looked_at(shim: Shim, caller: Caller, wanted: Wanted) -> Look:
    """Connect and look, before anything is kept.

    Raises:
        Invalid: a setting does not fit, or the host may not be reached. Conflict: the path is taken.
        Forbidden: a secret may not be sent there; a folder holds files of a source that may not be used.
        SourceUnavailable, SourceError: the place does not answer, or refuses.
    """
    with shim.platform.catalogue() as session:
        if wanted.via is not Via.CLIENT:
            # Who connects with credentials of their own reads by these; a folder of this machine asks for none.
            folder = wanted.place.address if wanted.place.type is StorageType.LOCAL else wanted.local_path
            check_file_use(session, shim, caller, folder, folder=True)
        row = _same(shim, session, wanted)
        if row is not None and wanted.credentials is None:
            mount = shim.platform.mounts(session).opened(row)
        else:
            mount = _new(shim, session, caller, wanted)
    with _by_our_names():
        return look_at(mount, shim.platform.reach)


def kept(shim: Shim, caller: Caller, actor: Actor, wanted: Wanted, look: Look) -> MountRow:
    """Keep a mount that has answered.

    Raises:
        As `looked_at`; Conflict also when another one has taken the path meanwhile.
    """
    try:
        with shim.platform.catalogue() as session:
            row = _kept(shim, session, caller, wanted)
            moment = now()
            row.status, row.status_since, row.last_checked_at = MountStatus.MOUNTED, moment, moment
            row.last_error, row.free_bytes, row.mounted_at = None, look.free_bytes, moment
            made = row.created_at is None
            mounts = shim.platform.mounts(session)
            if made:
                mounts.add(row)
            detail = {"name": row.local_path, "networkPath": row.network_path, "type": str(row.storage_type)}
            audit(session, actor, "mount.create" if made else "mount.update", row.id, detail=detail)
            session.flush()
            session.expunge(row)
            return row
    except IntegrityError:
        raise Conflict(f"{wanted.local_path} was mounted at the same moment; try again") from None


def _kept(shim: Shim, session: Session, caller: Caller, wanted: Wanted) -> MountRow:
    row = _same(shim, session, wanted, lock=True)
    if row is not None and wanted.credentials is None:
        return row
    made = row or MountRow(
        id=new_id(),
        name=wanted.local_path,
        local_path=wanted.local_path,
        network_path=wanted.network_path,
        address=wanted.place.address,
        storage_type=wanted.place.type,
        via=wanted.via,
    )
    connection = _connection(shim, session, caller, wanted)
    shim.platform.mounts(session).connect_with(made, connection.kept, connection.approved)
    return made


def _same(shim: Shim, session: Session, wanted: Wanted, *, lock: bool = False) -> MountRow | None:
    """The mount that is to be renewed; None for a new one."""
    mounts = shim.platform.mounts(session)
    if lock:
        mounts.hold()
    row = mounts.at(wanted.local_path, lock=lock)
    if row is None:
        mounts.refuse_overlap(wanted.local_path)
    elif (row.address, row.storage_type) != (wanted.place.address, wanted.place.type):
        raise Conflict(f"{row.network_path} is mounted at {row.local_path} already; delete that mount first")
    return row


def _new(shim: Shim, session: Session, caller: Caller, wanted: Wanted) -> Mount:
    shown, hidden = split_secrets(_connection(shim, session, caller, wanted).opened)
    return Mount(new_id(), wanted.local_path, wanted.place, wanted.via, shown, hidden)


def _connection(shim: Shim, session: Session, caller: Caller, wanted: Wanted) -> Checked:
    """The connection of a place, in order; nothing for a folder of this machine."""
    kind = SOURCE_TYPES.get(wanted.place.type)
    if kind is None or wanted.via is not Via.CLIENT:
        return Checked({}, {}, frozenset())
    with _by_our_names():
        return checked(shim, session, caller, kind, connection_of(wanted.place, wanted.credentials or {}))


@contextmanager
def _by_our_names() -> Iterator[None]:
    """What a source calls ``connection.…`` is ``network_path`` or one of the ``credentials`` here."""
    try:
        yield
    except Invalid as error:
        problems = [FieldProblem(_field(each.field), each.message) for each in error.fields]
        if not problems:
            raise
        raise type(error)(f"{problems[0].field}: {problems[0].message}", problems) from None


def _field(name: str) -> str:
    setting = name.removeprefix("connection.")
    if setting == name:
        return name
    return "network_path" if setting in ("path", "bucket", "prefix") else f"credentials.{to_snake(setting)}"
