"""Access tokens. Source: DECISIONS 15."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api_shim.dependencies import ADMIN, ActorDep, ChangeDep, ReadingDep, ShimDep
from api_shim.paging import LISTED, Page, count
from api_shim.schemas.access import TokenCreate, TokenMade, TokenOut
from api_shim.schemas.base import refusals
from dataops_defs.catalogue.audit import audit
from dataops_defs.catalogue.tokens import Role, Tokens

router = APIRouter(prefix="/api/v1/dataops/tokens", tags=["dataops: tokens"], dependencies=ADMIN)


@router.get("", responses={**refusals(), **LISTED}, response_model_exclude_none=True)
def list_tokens(page: Annotated[Page, Query()], session: ReadingDep, response: Response) -> list[TokenOut]:
    """All tokens, newest first, without their text."""
    rows, total = Tokens(session).page(limit=page.limit, offset=page.offset)
    count(response, total)
    return [TokenOut.model_validate(row) for row in rows]


@router.post("", status_code=201, responses=refusals(409), response_model_exclude_none=True)
def create_token(body: TokenCreate, change: ChangeDep) -> TokenMade:
    """Make a token; its text is in this answer and nowhere else."""
    row, text = Tokens(change.session).create(body.name, Role.named(body.role), body.expires_at)
    change.note("token.create", row.id, {"name": row.name, "role": row.role})
    return TokenMade.of(row, text)


@router.delete("/{token_id}", status_code=204, responses=refusals(404, 409))
def revoke_token(token_id: str, shim: ShimDep, actor: ActorDep) -> None:
    """Revoke a token; it stops counting at once."""
    with shim.platform.catalogue() as session:
        row = Tokens(session).revoke(token_id)
        audit(session, actor, "token.revoke", row.id, detail={"name": row.name})
    shim.tokens.forget()
