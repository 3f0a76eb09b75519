"""The warehouse as a source: what users' queries read, as the reader role."""

from urllib.parse import parse_qsl, unquote, urlsplit

from dataops_defs.catalogue.base import new_id
from dataops_defs.domain.source import Source, SourceType
from dataops_defs.flows.platform import Platform


def warehouse_source(platform: Platform) -> Source:
    """Ours, whatever hosts users' sources may name."""
    parts = urlsplit(platform.settings.url("reader"))
    connection = {
        **{name: value for name, value in parse_qsl(parts.query) if name == "sslmode"},
        "host": parts.hostname,
        "port": parts.port or 5432,
        "database": unquote(parts.path.lstrip("/")),
        "username": unquote(parts.username or ""),
    }
    secrets = {"password": unquote(parts.password or "")}
    return Source(new_id(), "the warehouse", "warehouse", SourceType.POSTGRES, "default", connection, secrets)
