"""The official Elasticsearch client: opened from the settings, its errors in the platform's words.

The client's package is imported when a client is opened: it costs a third of a second that nobody else should pay.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataops_defs.errors import DataOpsError, DependencyUnavailable, InsufficientStorage, SourceError
from dataops_defs.settings import Settings

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

REQUEST_SECONDS = 60.0
TOO_LARGE, TOO_MANY = 413, 429
# Flood stage is answered 429 by Elasticsearch 8 and later, 403 by older ones and by OpenSearch; 12 is the block's id.
_DISK_FULL = re.compile(r"/12/|read-only-allow-delete|disk usage exceeded")
_COMPATIBLE = (
    "for Elasticsearch 7 or a server that only speaks its API, such as OpenSearch, set "
    "DATAOPS_ELASTICSEARCH_COMPATIBLE=true"
)


def client_of(settings: Settings) -> "Elasticsearch":
    """A client for the configured servers; nothing is asked of them yet.

    Raises:
        SourceError: none is configured, or its URL cannot be read.
    """
    if settings.elasticsearch_url is None:
        raise SourceError("No Elasticsearch is configured: set DATAOPS_ELASTICSEARCH_URL")
    key = settings.elasticsearch_api_key
    return open_client(
        settings.elasticsearch_url.get_secret_value(),
        api_key=key.get_secret_value() if key else None,
        ca=settings.elasticsearch_ca,
        compatible=settings.elasticsearch_compatible,
    )


def open_client(
    url: str, *, api_key: str | None = None, ca: Path | None = None, compatible: bool = False
) -> "Elasticsearch":
    """A client with the official defaults, but for the time a request may take (60 s) and decimals read exactly.

    Args:
        url: ``https://user:password@host:port``; several, by comma, for the nodes of one cluster.
        ca: the certificate that signed the servers', where the system does not know it.
        compatible: send plain JSON media types, and take the caller's word that the server speaks the API.
    """
    from elasticsearch import Elasticsearch

    from dataops_defs.adapters.sinks.index.transport import EXACT_SERIALIZERS, PlainJsonNode

    options: dict[str, Any] = {"request_timeout": REQUEST_SECONDS, "serializers": EXACT_SERIALIZERS}
    if api_key:
        options["api_key"] = api_key
    if ca is not None:
        options["ca_certs"] = str(ca)
    if compatible:
        options["node_class"] = PlainJsonNode
    try:
        return Elasticsearch([each.strip() for each in url.split(",")], **options)
    except ValueError:
        raise SourceError(
            "DATAOPS_ELASTICSEARCH_URL cannot be read: it is https://user:password@host:port, "
            "or https://host:port with DATAOPS_ELASTICSEARCH_API_KEY"
        ) from None
    except OSError:
        raise SourceError("The file that DATAOPS_ELASTICSEARCH_CA names cannot be read") from None


@contextmanager
def refusals() -> Iterator[None]:
    """What the client raises, in the platform's words.

    Raises:
        DependencyUnavailable: the server did not answer, is overloaded or restarts.
        InsufficientStorage: its disks are full.
        SourceError: it refused; a person has to mend it.
    """
    from elastic_transport import TlsError
    from elasticsearch import ApiError, TransportError, UnsupportedProductError

    try:
        yield
    except UnsupportedProductError:
        raise SourceError(f"The server does not say that it is Elasticsearch 8 or later: {_COMPATIBLE}") from None
    except ApiError as error:
        raise refused(error.status_code, *said(error.body)) from None
    except TlsError:
        raise SourceError(
            "Elasticsearch's certificate is not trusted: name its CA in DATAOPS_ELASTICSEARCH_CA"
        ) from None
    except TransportError as error:
        raise DependencyUnavailable(f"Elasticsearch did not answer ({type(error).__name__})") from None


def said(body: Any) -> tuple[str, str]:
    """The type and the reason in an error answer, or in an item of a bulk answer."""
    error = body.get("error", "") if isinstance(body, Mapping) else body
    if not isinstance(error, Mapping):
        return "", str(error)[:500]
    reason = str(error.get("reason", ""))
    cause = error.get("caused_by") or {}
    deeper = str(cause.get("reason", "")) if isinstance(cause, Mapping) else ""
    return str(error.get("type", "")), f"{reason}: {deeper}" if deeper and deeper not in reason else reason


def refused(status: int, kind: str, reason: str) -> DataOpsError:
    """The error for an answer that is no row's fault."""
    if disk_full(kind, reason):
        return InsufficientStorage(f"Elasticsearch's disks are full: make room there ({reason})")
    if status in (TOO_MANY, 408) or status >= 500:
        return DependencyUnavailable(f"Elasticsearch cannot answer now ({status}): {reason}")
    if status in (401, 403) and kind != "cluster_block_exception":
        return SourceError(f"Elasticsearch does not let the platform in: check the user or API key ({reason})")
    if status == 406 or kind == "media_type_header_exception":
        return SourceError(f"The server refuses the client's media type: {_COMPATIBLE}")
    if status == 404:
        return DependencyUnavailable(f"The index was removed while it was worked on; run it again ({reason})")
    return SourceError(f"Elasticsearch refused ({status}): {reason}")


def disk_full(kind: str, reason: str) -> bool:
    """Whether a block stands for full disks."""
    return kind == "cluster_block_exception" and _DISK_FULL.search(reason) is not None
