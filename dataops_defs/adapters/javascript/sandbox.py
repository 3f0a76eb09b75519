"""Locks the JavaScript worker in: limits on what it may use, and a filter on what it may ask of the kernel.

Works for root and for ordinary users. Source: SAFETY, section 5.
"""

import ctypes
import errno
import os
import resource
import signal
import sys
import time
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

STANDARD_FILES = 3
CPU_SECONDS = 24 * 3600

ALLOWED_CALLS = (
    "brk",
    "clock_gettime",
    "exit",
    "exit_group",
    "futex",
    "getpid",
    "getrandom",
    "gettid",
    "gettimeofday",
    "madvise",
    "mremap",
    "munmap",
    "restart_syscall",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_yield",
    "setitimer",
    "sigaltstack",
)
PROT_EXEC = 4


class NoSandbox(Exception):
    """Neither the filter nor a network of its own can be had on this machine."""


def lock_down(process_bytes: int, parent: int) -> str:
    """Give up everything but memory, the clock and the three standard pipes; for good.

    Args:
        process_bytes: limit of the process' data memory.
        parent: process id of the parent; when it is gone, this process ends too.
    Returns:
        ``seccomp``, or ``network`` where only the second-best holds: no new files or sockets (the limit on open
        files is used up) and a network namespace without any interface.
    Raises:
        NoSandbox: neither holds.
    """
    _use_utc()
    _end_with(parent)
    _limit(process_bytes)
    _prctl(PR_SET_DUMPABLE, 0)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    load_filter = allow_list()
    _limit_files()
    if load_filter is not None:
        try:
            load_filter()
        except OSError:
            pass
        else:
            return "seccomp"
    leave_network()
    return "network"


def allow_list() -> Callable[[], None] | None:
    """What installs the allow-list of system calls (all others fail with EPERM); None without libseccomp.

    Calling it raises OSError where the kernel refuses the filter.
    """
    try:
        import pyseccomp as sc
    except (ImportError, RuntimeError):
        return None
    allowed = sc.SyscallFilter(sc.ERRNO(errno.EPERM))
    for name in ALLOWED_CALLS:
        allowed.add_rule(sc.ALLOW, name)
    allowed.add_rule(sc.ALLOW, "read", sc.Arg(0, sc.EQ, 0))
    for descriptor in (1, 2):
        allowed.add_rule(sc.ALLOW, "write", sc.Arg(0, sc.EQ, descriptor))
    for name in ("mmap", "mprotect"):
        allowed.add_rule(sc.ALLOW, name, sc.Arg(2, sc.MASKED_EQ, PROT_EXEC, 0))
    load: Callable[[], None] = allowed.load
    return load


def leave_network() -> None:
    """Move to a network namespace of its own; an ordinary user needs a user namespace for it.

    Raises:
        NoSandbox: the kernel refuses both.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) and libc.unshare(CLONE_NEWUSER | CLONE_NEWNET):
        raise NoSandbox(os.strerror(ctypes.get_errno()))


def _use_utc() -> None:
    os.environ["TZ"] = "UTC0"
    time.tzset()


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        raise NoSandbox(os.strerror(ctypes.get_errno()))


def _end_with(parent: int) -> None:
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent has gone")


def _limit(process_bytes: int) -> None:
    limits = {
        resource.RLIMIT_DATA: process_bytes,
        resource.RLIMIT_CPU: CPU_SECONDS,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for what, most in limits.items():
        _lower(what, most)


def _limit_files() -> None:
    _lower(resource.RLIMIT_NOFILE, STANDARD_FILES)


def _lower(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    least = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (least, least))
