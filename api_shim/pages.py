"""The page ``/docs``: Swagger UI over the OpenAPI document, from files that this server has, so it needs no internet.

Its policy lets it load from here only, and run no other inline script than its own.
Source: Content Security Policy Level 3, "script-src" (hashes of inline scripts).
"""

import base64
import re
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse

from dataops_defs.errors import NotFound

DOCS = "/docs"
SCRIPT, STYLE, ICON = "swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"
PUBLIC = frozenset({DOCS, *(f"{DOCS}/{name}" for name in (SCRIPT, STYLE, ICON))})
KEPT = {"Cache-Control": "max-age=86400"}
POLICY = (
    "default-src 'none'; script-src 'self' 'sha256-{script}'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)

router = APIRouter(prefix=DOCS, include_in_schema=False)


@router.get("")
def docs() -> HTMLResponse:
    """Swagger UI. What it refers to lies beside it, wherever a proxy has put it."""
    page = get_swagger_ui_html(
        title="DataOps on Dagster",
        openapi_url="openapi.json",
        swagger_js_url=f"docs/{SCRIPT}",
        swagger_css_url=f"docs/{STYLE}",
        swagger_favicon_url=f"docs/{ICON}",
        swagger_ui_parameters={"docExpansion": "none", "filter": True, "validatorUrl": None},
    )
    [inline] = _INLINE.findall(bytes(page.body).decode())
    digest = base64.b64encode(sha256(inline.encode()).digest()).decode()
    page.headers["Content-Security-Policy"] = POLICY.format(script=digest)
    return page


@router.get("/{name}")
def asset(name: str) -> FileResponse:
    """A file of the page."""
    if f"{DOCS}/{name}" not in PUBLIC:
        raise NotFound("There is no such page")
    return FileResponse(Path(str(files("fastapi_offline"))) / "static" / name, headers=KEPT)
