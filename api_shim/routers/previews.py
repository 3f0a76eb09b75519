"""Looks into files: document 000, "Preview File" and "Preview Path"."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError

from api_shim.bounded import bounded
from api_shim.dependencies import PROTECTED, CallerDep, ShimDep
from api_shim.form_stream import read_form
from api_shim.grants import check_file_use
from api_shim.problems import Malformed
from api_shim.schemas.base import refusals
from api_shim.schemas.previews import PathPreview, PreviewOut, UploadForm
from api_shim.uploads import Upload
from dataops_defs.adapters.preview.look import look_into
from dataops_defs.flows.preview_file import preview_file

router = APIRouter(prefix="/api/v1/mvp/preview", tags=["mvp: preview"], dependencies=PROTECTED)
FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "delimiter": {"type": "string", "maxLength": 10, "example": ","},
                        "encoding": {"type": "string", "maxLength": 50, "example": "utf-8"},
                        "has_header": {"type": "boolean", "example": True},
                        "sheet": {"type": "string", "maxLength": 200, "example": "Sheet1"},
                        "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
                    },
                }
            }
        },
    }
}


@router.post("/file", responses=refusals(413, 507), openapi_extra=FORM)
async def preview_upload(request: Request, shim: ShimDep) -> PreviewOut:
    """What an uploaded file is, and its first rows. Nothing of it is kept."""
    with Upload(shim.settings.max_preview_bytes) as upload:
        given = await read_form(request.headers.get("content-type", ""), request.stream(), "file", upload)
        await upload.finish()
        asked = _form(given).asked
        shown = await bounded(lambda: look_into(upload.content(), asked, "file"))
        return PreviewOut.of(upload.name, upload.size, shown)


@router.post("/path", responses=refusals(404, 507))
async def preview_path(body: PathPreview, shim: ShimDep, caller: CallerDep) -> PreviewOut:
    """What a file below a mount or a folder of files is, and its first rows."""

    def look() -> PreviewOut:
        with shim.platform.catalogue() as session:
            check_file_use(session, shim, caller, body.file_path)
        entry, shown = preview_file(shim.platform, body.file_path, body.asked)
        return PreviewOut.of(entry.name, entry.size, shown)

    return await bounded(look)


def _form(given: dict[str, str]) -> UploadForm:
    """The other fields of the form; what is wrong with them is told as of a body."""
    try:
        return UploadForm.model_validate({name: value for name, value in given.items() if value})
    except ValidationError as error:
        raise Malformed(error, UploadForm) from None
