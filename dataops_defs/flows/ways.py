"""Where paths lead: several lead to one file, through mounts, roots and links at which these begin."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import unquote

from sqlalchemy.orm import Session

from dataops_defs.domain.mount import StorageType, is_below, plain_path
from dataops_defs.flows.platform import Platform


@dataclass(frozen=True)
class Ways:
    """The roots of files, and what is mounted: pairs of a path and the address that it stands for."""

    roots: Sequence[Path]
    mounts: Sequence[tuple[str, str]]

    @classmethod
    def of(cls, platform: Platform, session: Session) -> Self:
        """All that there are now."""
        return cls(
            platform.settings.roots,
            [
                (row.local_path, row.address if row.storage_type is StorageType.LOCAL else _address(row.address))
                for row in platform.mounts(session).all()
            ],
        )

    def ends(self, path: str) -> set[str]:
        """Every place that a path may lead to: absolute paths, and addresses in a form only fit to be compared.

        Two paths lead to the same file, or may do so, when they share an end; one lies below another as their ends do.
        """
        if "://" in path:
            return {_address(path)}
        if not path.startswith("/"):
            return {self._behind_root(plain_path(f"{root.absolute()}/{path}")) for root in self.roots}
        plain = plain_path(path)
        through = (address + plain[len(at) :] for at, address in self.mounts if is_below(plain, at))
        return {self._behind_root(each) for each in (plain, *through)}

    def _behind_root(self, path: str) -> str:
        """Links below a root are not followed; the root itself may be one, or lie in one."""
        for root in self.roots:
            at = str(root.absolute())
            if is_below(path, at):
                return str(root.resolve()) + path[len(at) :]
        return path


def _address(given: str) -> str:
    """One form of an address, by which no two places are taken for different ones."""
    scheme, _, rest = given.rpartition("://")
    return f"{scheme}:/{plain_path(unquote(rest))}".casefold()
