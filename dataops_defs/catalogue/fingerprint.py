"""A digest of all definitions: it tells whether what Dagster has loaded is what the catalogue says now.

The code location publishes that of the snapshot it was built from, as metadata of a sensor that is always there.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from dataops_defs.catalogue.canonical import canonical
from dataops_defs.catalogue.snapshot import FIELDS

PUBLISHING_SENSOR = "launch_requests"
LABEL = "dataops/fingerprint"
LENGTH = 32
# No definition is built from these, and they change without one being changed.
NOT_COMPARED = {"sources": {"status"}, "schedules": {"enabled"}}


def fingerprint(snapshot: Mapping[str, Any]) -> str:
    """Equal for equal definitions; 32 hexadecimal digits."""
    digest = hashlib.sha256()
    for kind in FIELDS:
        left_out = NOT_COMPARED.get(kind, set())
        rows = [{name: row[name] for name in row if name not in left_out} for row in snapshot.get(kind, [])]
        digest.update(canonical([kind, rows]))
    return digest.hexdigest()[:LENGTH]
