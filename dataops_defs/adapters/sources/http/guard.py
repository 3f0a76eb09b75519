"""The host of a REST API's address."""

from collections.abc import Collection, Mapping
from typing import Any

import httpx

from dataops_defs.adapters.hosts import is_listed
from dataops_defs.errors import Invalid

PORTS = {"http": 80, "https": 443}


def is_endpoint_listed(connection: Mapping[str, Any], allowed: Collection[str] | str) -> bool:
    """Whether an administrator named the host of the connection's ``endpoint``; see ``is_listed``."""
    try:
        url = httpx.URL(str(connection.get("endpoint")))
    except httpx.InvalidURL as error:
        raise Invalid.field("connection.endpoint", f"is no address: {error}") from None
    return is_listed(url.host, url.port or PORTS.get(url.scheme), allowed, "connection.endpoint")
