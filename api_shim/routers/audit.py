"""The audit: who changed what, and who was refused."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from api_shim.dependencies import ADMIN, ReadingDep
from api_shim.paging import LISTED, Page, count
from api_shim.schemas.access import AuditOut
from api_shim.schemas.base import refusals
from dataops_defs.catalogue.audit import audit_lines, count_audit_lines

router = APIRouter(prefix="/api/v1/dataops/audit", tags=["dataops: audit"], dependencies=ADMIN)


class AuditPage(Page):
    """Filters of the audit."""

    actor: str | None = Field(default=None, max_length=200, description="A token's name")
    action: str | None = Field(default=None, max_length=400, examples=["source.create"])


@router.get("", responses={**refusals(), **LISTED}, response_model_exclude_none=True)
def list_audit(page: Annotated[AuditPage, Query()], session: ReadingDep, response: Response) -> list[AuditOut]:
    """The newest lines first."""
    count(response, count_audit_lines(session, actor=page.actor, action=page.action))
    rows = audit_lines(session, limit=page.limit, offset=page.offset, actor=page.actor, action=page.action)
    return [AuditOut.model_validate(row) for row in rows]
