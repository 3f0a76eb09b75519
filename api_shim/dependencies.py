"""What handlers ask for: a session to read with, a change to make, the page that was asked for."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from api_shim.auth import Caller, admin_only, api_key, bearer, caller_of
from api_shim.shim import Shim
from dataops_defs.catalogue.audit import Actor, audit
from dataops_defs.catalogue.base import Named
from dataops_defs.catalogue.differences import Differences
from dataops_defs.errors import Conflict, Invalid


def shim_of(request: Request) -> Shim:
    """What this process holds."""
    shim: Shim = request.app.state.shim
    return shim


def actor_of(request: Request) -> Actor:
    """Who asks, for the audit."""
    return Actor(caller_of(request).name, request.state.request_id)


ShimDep = Annotated[Shim, Depends(shim_of)]
ActorDep = Annotated[Actor, Depends(actor_of)]
CallerDep = Annotated[Caller, Depends(caller_of)]


def reading(shim: ShimDep) -> Iterator[Session]:
    """A session to read with."""
    with shim.platform.catalogue() as session:
        yield session


@dataclass
class Change:
    """One transaction that changes the catalogue, with its line in the audit."""

    session: Session
    actor: Actor
    shim: Shim
    caller: Caller
    reload: bool = False

    def __post_init__(self) -> None:
        self._differences = Differences(self.session)

    def note(self, action: str, subject: str | None = None, detail: Mapping[str, Any] | None = None) -> None:
        """Write the audit line of a change that Dagster need not see."""
        audit(self.session, self.actor, action, subject, detail=detail)

    def define(self, action: str, row: Named, detail: Mapping[str, Any] | None = None) -> None:
        """Write the audit line of a changed definition; Dagster's code location is reloaded afterwards."""
        self.session.flush()
        changes = self._differences.of(row)
        told = {"changes": changes} if changes else {}
        self.note(action, row.id, {"name": row.name, **(detail or {}), **told})
        self.reload = True


async def turn(shim: ShimDep) -> AsyncIterator[None]:
    """A change's turn; see `Shim.changes`."""
    async with shim.changes:
        yield


TurnDep = Annotated[None, Depends(turn, scope="function")]


def changing(shim: ShimDep, actor: ActorDep, caller: CallerDep, _turn: TurnDep) -> Iterator[Change]:
    """A change: committed before the answer is sent, or not at all."""
    try:
        with shim.platform.catalogue() as session:
            change = Change(session, actor, shim, caller)
            yield change
    except IntegrityError:
        raise Conflict("Something that this change builds on was changed at the same moment; try again") from None
    if change.reload:
        shim.reloader.request()


# Scope "function": the transaction ends before the answer leaves, so an answer never speaks of what was rolled back.
ReadingDep = Annotated[Session, Depends(reading, scope="function")]
ChangeDep = Annotated[Change, Depends(changing, scope="function")]


def known_parameters_only(request: Request) -> None:
    """Refuse query parameters that the route does not have (unknown request fields are 422)."""
    known = _parameters(request.scope["route"])
    for name in request.query_params:
        if known is not None and name not in known:
            raise Invalid.field(name[:60], "is not a known query parameter")


def _parameters(route: APIRoute) -> frozenset[str] | None:
    """Names of a route's query parameters; None when a model takes them, which refuses strangers itself."""
    found = list(_query_parameters(route.dependant))
    if any(_is_model(each.field_info.annotation) for each in found):
        return None
    return frozenset(each.alias for each in found)


def _query_parameters(dependant: Dependant) -> Iterator[Any]:
    yield from dependant.query_params
    for each in dependant.dependencies:
        yield from _query_parameters(each)


def _is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


PROTECTED = [Security(bearer), Security(api_key), Depends(known_parameters_only)]
ADMIN = [Depends(admin_only), *PROTECTED]
