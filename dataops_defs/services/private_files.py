"""Files that only their owner may read: passwords, tokens, URLs that hold a password."""

import json
import os
from pathlib import Path
from typing import Any

from dataops_defs.errors import DependencyUnavailable


def write_private(path: Path, text: str) -> None:
    """Put ``text`` in ``path`` with mode 0600, all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def write_private_json(path: Path, value: dict[str, Any]) -> None:
    """The same for a JSON object."""
    write_private(path, json.dumps(value, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object kept in ``path``; empty when there is no such file.

    Raises:
        DependencyUnavailable: the file holds something else.
    """
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise DependencyUnavailable(f"{path} is damaged: restore it, or remove it to start anew")
    return value
