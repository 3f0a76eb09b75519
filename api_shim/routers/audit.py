"""The audit: who changed what, and who was refused."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from api_shim.dependencies import ADMIN, ReadingDep
from api_shim.paging import LISTED, Page, count
from api_shim.schemas.access import AuditOut
from api_shim.schemas.base import MomentIn, refusals
from dataops_defs.catalogue.audit import AuditFilter, audit_lines, count_audit_lines

router = APIRouter(prefix="/api/v1/dataops/audit", tags=["dataops: audit"], dependencies=ADMIN)


class AuditPage(Page):
    """Filters of the audit."""

    actor: str | None = Field(
        default=None, max_length=400, description="A token's name; schedule:<name>, sensor:<name>, dagster, anonymous"
    )
    action: str | None = Field(default=None, max_length=400, examples=["source.create"])
    subject: str | None = Field(default=None, max_length=80, description="Id of what was changed or launched")
    outcome: Literal["done", "failed", "refused"] | None = None
    since: MomentIn | None = Field(default=None, description="At that moment or later")
    until: MomentIn | None = Field(default=None, description="Before that moment")

    def filter(self) -> AuditFilter:
        """The filters in the catalogue's words."""
        return AuditFilter(self.actor, self.action, self.subject, self.outcome, self.since, self.until)


@router.get("", responses={**refusals(), **LISTED}, response_model_exclude_none=True)
def list_audit(page: Annotated[AuditPage, Query()], session: ReadingDep, response: Response) -> list[AuditOut]:
    """The newest lines first."""
    wanted = page.filter()
    count(response, count_audit_lines(session, wanted))
    return [AuditOut.model_validate(row) for row in audit_lines(session, wanted, limit=page.limit, offset=page.offset)]
