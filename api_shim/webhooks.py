"""Webhook deliveries: who sent one is proven by its signature, over its id, its time and its body.

The scheme is the one by which alerts are sent (standard-webhooks): the headers ``Webhook-Id``, ``Webhook-Timestamp``
(seconds since 1970) and ``Webhook-Signature`` (``v1,`` and base64; several may be given, separated by spaces).
Source: DECISIONS 31; standard-webhooks, "Signature scheme"; SAFETY design, section 6, "Access".
"""

import base64
import hmac
import json
import re
import time
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers

from api_shim.auth import Caller
from api_shim.dependencies import shim_of
from api_shim.middleware.body import check_json
from api_shim.shim import Shim
from dataops_defs.catalogue.audit import WEBHOOK
from dataops_defs.catalogue.tokens import Role
from dataops_defs.catalogue.triggers import Triggers, opened_secret
from dataops_defs.domain.alert_channels import (
    ENCODED_SECRET,
    ID_HEADER,
    SIGNATURE_HEADER,
    TIME_HEADER,
    signature,
)
from dataops_defs.domain.trigger import TriggerType
from dataops_defs.errors import Invalid, NotFound, Unauthenticated

TOLERANCE_SECONDS = 300
MAX_SIGNATURES = 2_000
REFUSED = (
    "The delivery does not count: it needs the headers Webhook-Id (no dot in it), Webhook-Timestamp (seconds since"
    " 1970, within 5 minutes of now) and Webhook-Signature: 'v1,' and the base64 of the HMAC-SHA256 of"
    " '<id>.<timestamp>.<body>', its key being the base64-decoded part of the trigger's secret after 'whsec_'"
)
# The parts that are signed are told apart by their dots: one in the id would let a signature fit another delivery.
_ID = re.compile(r"[!-\-/-~]{1,255}")
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)


class Delivery:
    """A delivery whose signature counts: its id, and what it brings."""

    def __init__(self, id: str, body: bytes) -> None:
        self.id, self._body = id, body

    def payload(self) -> Any:
        """The body as JSON; None where there is none.

        Raises:
            Invalid: it is no JSON, or too deep, or of too many values.
        """
        if not self._body.strip():
            return None
        check_json(self._body)
        try:
            return json.loads(self._body)
        except (ValueError, RecursionError):
            raise Invalid.field("body", "is not valid JSON") from None


async def delivery(trigger_id: str, request: Request) -> Delivery:
    """Dependency of the route that takes deliveries; from here on the request has a caller.

    Raises:
        NotFound: there is no webhook trigger of that id.
        Unauthenticated: the signature is missing, wrong, or too old; it is not told which.
    """
    body = await request.body()
    name, id = await run_in_threadpool(_verified, shim_of(request), trigger_id, request.headers, body)
    request.state.caller = Caller(f"{WEBHOOK}:{name}", Role.EDITOR)
    return Delivery(id, body)


DeliveryDep = Annotated[Delivery, Depends(delivery)]


def _verified(shim: Shim, trigger_id: str, headers: Headers, body: bytes) -> tuple[str, str]:
    """The trigger's name and the delivery's id."""
    with shim.platform.catalogue() as session:
        row = Triggers(session).find(trigger_id)
        if row is None or row.type is not TriggerType.WEBHOOK:
            raise NotFound(f"Trigger {trigger_id[:80]} not found")
        secret = opened_secret(row, shim.platform.keyring) or ""
    id, sent, given = (headers.get(each, "") for each in (ID_HEADER, TIME_HEADER, SIGNATURE_HEADER))
    if not _ID.fullmatch(id) or not _SECONDS.fullmatch(sent) or len(given) > MAX_SIGNATURES or not secret:
        raise Unauthenticated(REFUSED)
    key = base64.b64decode(secret.removeprefix(ENCODED_SECRET))
    expected = signature(key, id, int(sent), body).encode()
    # All of them are compared, whichever matches first.
    signed = any([hmac.compare_digest(expected, each.encode("utf-8", "replace")) for each in given.split(" ")])  # noqa: C419
    if not signed or abs(time.time() - int(sent)) > TOLERANCE_SECONDS:
        raise Unauthenticated(REFUSED)
    return row.name, id
