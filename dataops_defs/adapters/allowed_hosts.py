"""The list of hosts that an administrator lets sources name."""

from collections.abc import Collection

from dataops_defs.errors import Invalid


def is_listed(host: str, port: int | None, allowed: Collection[str] | str, field: str) -> bool:
    """Whether the host was named; there may be no list.

    Args:
        allowed: hosts or ``host:port``, as a list or separated by commas.
        field: of the request, that names the host.
    Raises:
        Invalid: there is a list, and the host is not on it.
    """
    given = allowed.split(",") if isinstance(allowed, str) else allowed
    known = {each.strip().lower() for each in given if each.strip()}
    host = host.lower()
    if known and not known & {host, f"{host}:{port}", f"[{host}]", f"[{host}]:{port}"}:
        raise Invalid.field(field, f"'{host}' is not among the hosts that sources may name")
    return bool(known)
