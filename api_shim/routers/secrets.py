"""Secrets by name, for admins: they are put in, and never come out. Source: CHECKLIST P033 and P038."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api_shim.dependencies import ADMIN, ChangeDep, ReadingDep, ShimDep
from api_shim.paging import LISTED, Page, count
from api_shim.schemas.access import SecretIn, SecretOut
from api_shim.schemas.base import refusals
from dataops_defs.catalogue.secrets import Secrets

router = APIRouter(prefix="/api/v1/dataops/secrets", tags=["dataops: secrets"], dependencies=ADMIN)


@router.get("", responses={**refusals(), **LISTED}, response_model_exclude_none=True)
def list_secrets(
    page: Annotated[Page, Query()], session: ReadingDep, shim: ShimDep, response: Response
) -> list[SecretOut]:
    """All secrets by name, and what refers to them; without their values."""
    secrets = Secrets(session, shim.platform.keyring)
    rows, total = secrets.page(limit=page.limit, offset=page.offset)
    users = secrets.users()
    count(response, total)
    return [SecretOut.of(row, users.get(row.name, [])) for row in rows]


@router.put(
    "/{name}",
    responses={**refusals(409), 201: {"model": SecretOut, "description": "It is new"}},
    response_model_exclude_none=True,
)
def put_secret(name: str, body: SecretIn, change: ChangeDep, response: Response) -> SecretOut:
    """Make a secret, or change it: connections that are opened from now on have the new value."""
    secrets, given = Secrets(change.session, change.shim.platform.keyring), body.given()
    row, made = secrets.put(name, change.actor.name, given)
    detail = {"name": row.name, "fields": sorted(given), "allowedHosts": row.allowed_hosts}
    change.note("secret.create" if made else "secret.update", row.id, detail)
    response.status_code = 201 if made else 200
    return SecretOut.of(row, secrets.users().get(row.name, []))


@router.delete("/{name}", status_code=204, responses=refusals(404, 409))
def delete_secret(name: str, change: ChangeDep) -> None:
    """Delete a secret that nothing refers to."""
    row = Secrets(change.session, change.shim.platform.keyring).remove(name)
    change.note("secret.delete", row.id, {"name": row.name})
