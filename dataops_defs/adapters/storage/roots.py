"""Files below configured folders, opened so that no name can lead outside.

A path is never resolved as text: it is walked component by component from a descriptor of the root, links are not
followed, and what was opened is checked, not the name (SAFETY, section 6).
"""

import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from dataops_defs.errors import Invalid, SourceError

OUTSIDE = (
    "must lie below a mount, or a folder that files may be read from: mount its place first, give a path relative to"
    " such a folder, or have an administrator name its folder in DATAOPS_FILE_ROOTS"
)
MAX_PATH = 4096
MAX_NAME = 255
MAX_PATTERN = 100
MAX_STARS = 8
MAX_LISTED = 100_000
MAX_DEPTH = 32
_CHOICE = re.compile(r"\[(?>!?).[^\]]*\]")

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a named pipe for reading would otherwise wait for a writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class ListedFile:
    """A file found in a folder: ``path`` is the caller's folder and the name below it."""

    path: str
    size: int
    mark: str


def mark_of(found: os.stat_result) -> str:
    """Differs when a file was written, or replaced by another.

    The time of the last change of its inode cannot be set: it tells a file that was put in the place of another of the
    same size and time. The inode's number would too, but some network file systems give a new one at every look.
    """
    return f"{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"


def open_file(roots: Sequence[Path], path: str, *, field: str = "connection.path") -> BinaryIO:
    """Open a regular file below one of ``roots`` for reading.

    Args:
        path: absolute below a root, or relative to the first root that has it; taken literally, nothing decoded.
        field: the request field that a refusal names.
    Raises:
        Invalid: the path leads outside, or is no path.
        SourceError: there is no such file, it is no regular file, or it may not be read.
    """
    descriptor = _open(roots, path, field, _FILE)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SourceError(f"not a file: {path}")
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "rb", buffering=0)


def open_folder(roots: Sequence[Path], path: str, *, field: str = "connection.path") -> int:
    """A descriptor of a folder below one of ``roots``; raises as `open_file` does."""
    return _open(roots, path, field, _FOLDER)


def is_folder(roots: Sequence[Path], path: str, *, field: str = "connection.path") -> bool:
    """Whether the path names a folder below a root; False also when there is nothing."""
    try:
        os.close(open_folder(roots, path, field=field))
    except SourceError:
        return False
    return True


def list_files(
    roots: Sequence[Path],
    folder: str,
    patterns: Sequence[str] = ("*",),
    *,
    recursive: bool = False,
    field: str = "folder_path",
) -> list[ListedFile]:
    """Regular files in a folder whose name matches one of the patterns (``*``, ``?``, ``[a-z]``), by path.

    Links are left out. At most 100,000 files and 32 levels.

    Raises:
        Invalid: the folder leads outside, or a pattern is too long or holds a slash.
        SourceError: there is no such folder, or it holds too many files.
    """
    for pattern in patterns:
        check_pattern(pattern)
    descriptor = open_folder(roots, folder, field=field)
    found: list[ListedFile] = []
    try:
        for each in _walk(descriptor, folder.rstrip("/"), patterns, MAX_DEPTH if recursive else 0):
            found.append(each)
            if len(found) > MAX_LISTED:
                raise SourceError(f"folder {folder} holds more than {MAX_LISTED} files")
    finally:
        os.close(descriptor)
    return sorted(found, key=lambda each: each.path)


def names_left_out(
    roots: Sequence[Path], folder: str, patterns: Sequence[str], *, recursive: bool, field: str = "folder_path"
) -> list[str]:
    """Names that match but that no path can hold, as `list_files` leaves them out: escaped, as they can be shown.

    Raises:
        As `list_files`.
    """
    descriptor = open_folder(roots, folder, field=field)
    try:
        found = islice(_unusable(descriptor, patterns, MAX_DEPTH if recursive else 0), MAX_LISTED)
        return [ascii(os.fsencode(name))[2:-1] for name in found]
    finally:
        os.close(descriptor)


def check_pattern(pattern: str, *, field: str = "file_patterns") -> None:
    """Refuse a pattern that is no match of one file name, or that is slow to match."""
    if not pattern or len(pattern) > MAX_PATTERN or pattern.count("*") > MAX_STARS:
        raise Invalid.field(field, f"a pattern has 1 to {MAX_PATTERN} characters and at most {MAX_STARS} stars")
    if "/" in pattern or pattern in (".", "..") or _has_control(pattern):
        raise Invalid.field(field, "a pattern matches one file name: no slashes, no control characters")
    if "[" in _CHOICE.sub("", pattern):
        raise Invalid.field(field, "a '[' has to be closed, as in [a-z]; for the character itself write [[]")


def matches_any(name: str, patterns: Sequence[str]) -> bool:
    """Whether a file name matches one of the patterns; as in shells, a dot at its beginning matches itself only.

    Many programs send a file under such a name, and rename it when it is complete.
    """
    return any(
        fnmatchcase(name, pattern) for pattern in patterns if pattern.startswith(".") or not name.startswith(".")
    )


def check_path(roots: Sequence[Path], path: str, *, field: str = "connection.path") -> None:
    """Refuse a path that leads outside of all roots; whether anything is there is not looked at."""
    parts = components(path, field)
    if path.startswith("/"):
        _root_of(roots, parts, field)


def one_spelling(roots: Sequence[Path], path: str) -> str:
    """A path in the one form by which it is compared: relative where that leads to the same file, else absolute.

    Raises:
        Invalid: it is no path.
    """
    parts = components(path, "path")
    if not path.startswith("/"):
        return "/".join(parts) or "."
    for place, root in enumerate(roots):
        inside = root.absolute().parts[1:]
        if tuple(parts[: len(inside)]) == inside:
            below = parts[len(inside) :]
            hidden = any(os.path.lexists(each.joinpath(*below)) for each in roots[:place])
            return f"/{'/'.join(parts)}" if hidden else "/".join(below) or "."
    return f"/{'/'.join(parts)}"


def _root_of(roots: Sequence[Path], parts: Sequence[str], field: str) -> tuple[Path, Sequence[str]]:
    for root in roots:
        inside = root.absolute().parts[1:]
        if tuple(parts[: len(inside)]) == inside:
            return root, parts[len(inside) :]
    raise Invalid.field(field, OUTSIDE)


def _open(roots: Sequence[Path], path: str, field: str, flags: int) -> int:
    parts = components(path, field)
    if not path.startswith("/"):
        return _open_relative(roots, parts, path, flags)
    root, below = _root_of(roots, parts, field)
    return _open_below(root, below, path, flags)


def _open_relative(roots: Sequence[Path], parts: Sequence[str], path: str, flags: int) -> int:
    for root in roots[:-1]:
        try:
            return _open_below(root, parts, path, flags)
        except SourceError:
            continue
    if not roots:
        raise SourceError(f"no such file: {path}")
    return _open_below(roots[-1], parts, path, flags)


def components(path: str, field: str) -> list[str]:
    """The names that a path is made of.

    Raises:
        Invalid: it climbs, is an address, is too long, or holds control characters; naming ``field``.
    """
    if not path or len(path) > MAX_PATH:
        raise Invalid.field(field, f"must have 1 to {MAX_PATH} characters")
    if _has_control(path):
        raise Invalid.field(field, "must not hold control characters")
    if "://" in path or path.startswith("~"):
        raise Invalid.field(field, "must be the path of a file, not an address or a home folder")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in path.replace("\\", "/").split("/"):
        raise Invalid.field(field, "must not hold '..'")
    if any(len(os.fsencode(part)) > MAX_NAME for part in parts):
        raise Invalid.field(field, f"holds a name longer than {MAX_NAME} bytes")
    return parts


def _has_control(text: str) -> bool:
    return any(
        ord(character) < 32 or 127 <= ord(character) < 160 or "\ud800" <= character <= "\udfff" for character in text
    )


def _open_below(root: Path, parts: Sequence[str], path: str, flags: int) -> int:
    """A descriptor of ``root``/``parts``; the root itself is trusted (an admin configured it), nothing below."""
    with _errors(path):
        here = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in parts[:-1]:
                below = os.open(part, _FOLDER, dir_fd=here)
                os.close(here)
                here = below
            return os.open(parts[-1] if parts else ".", flags, dir_fd=here)
        finally:
            os.close(here)


@contextmanager
def _errors(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            raise SourceError(f"may not be read: {path}") from None
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EINVAL):
            raise SourceError(f"no such file: {path}") from None
        raise SourceError(f"cannot be opened ({errno.errorcode.get(error.errno or 0, 'error')}): {path}") from None


def _walk(descriptor: int, shown: str, patterns: Sequence[str], depth: int) -> Iterator[ListedFile]:
    with os.scandir(descriptor) as entries:
        names = sorted(entry.name for entry in entries if not _has_control(entry.name))
    for name in names:
        try:
            found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        except OSError:
            continue  # removed while we looked
        if stat.S_ISREG(found.st_mode):
            if any(fnmatchcase(name, pattern) for pattern in patterns):
                yield ListedFile(f"{shown}/{name}", found.st_size, mark_of(found))
        elif stat.S_ISDIR(found.st_mode) and depth:
            yield from _walk_below(descriptor, name, f"{shown}/{name}", patterns, depth - 1)


def _unusable(descriptor: int, patterns: Sequence[str], depth: int) -> Iterator[str]:
    with os.scandir(descriptor) as entries:
        found = list(entries)
    for entry in found:
        if _has_control(entry.name):
            if matches_any(entry.name, patterns):
                yield entry.name
        elif depth and entry.is_dir(follow_symlinks=False):
            try:
                below = os.open(entry.name, _FOLDER, dir_fd=descriptor)
            except OSError:
                continue
            try:
                yield from _unusable(below, patterns, depth - 1)
            finally:
                os.close(below)


def _walk_below(parent: int, name: str, shown: str, patterns: Sequence[str], depth: int) -> Iterator[ListedFile]:
    try:
        below = os.open(name, _FOLDER, dir_fd=parent)
    except OSError:
        return
    try:
        yield from _walk(below, shown, patterns, depth)
    finally:
        os.close(below)
