"""Files of an SFTP server, whose key has to be known before anything is said to it."""

import io
import socket
import stat
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import paramiko
from paramiko.sftp import CMD_EXTENDED, CMD_EXTENDED_REPLY
from paramiko.ssh_exception import AuthenticationException, SSHException

from dataops_defs.adapters.held_line import HeldLine
from dataops_defs.adapters.hosts import connected
from dataops_defs.adapters.storage.files import UNKNOWN, Entry
from dataops_defs.adapters.storage.remote.address import Patience, RemoteAddress
from dataops_defs.adapters.storage.remote.copy import RemoteFiles
from dataops_defs.adapters.storage.remote.host_key import HostKey
from dataops_defs.domain.connections import FileConnection
from dataops_defs.errors import Invalid, SourceError, SourceUnavailable

# As many bytes as every server gives in one answer, and as many questions as are asked ahead.
ANSWER_BYTES = 32 * 1024
WINDOW = 128
_RSA = ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"]
_KEY_CLASSES: tuple[type[paramiko.PKey], ...] = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


@contextmanager
def sftp_files(
    given: FileConnection, address: RemoteAddress, line: HeldLine, patience: Patience, max_bytes: int
) -> Iterator["SftpFiles"]:
    """Connect, check the host's key, then log in with the private key or the password."""
    if not given.username:
        raise Invalid.field("connection.username", "is required for sftp://")
    wanted = HostKey.of(given.host_key) if given.host_key else None
    with _errors(address):
        transport = _transport(address, wanted, patience)
    line.hold(transport.close)
    with closing(transport):
        with _errors(address):
            transport.start_client(timeout=patience.connect)
            _check_host_key(transport, wanted, address)
            _log_in(transport, given)
            client = paramiko.SFTPClient.from_transport(transport)
        channel = None if client is None else client.get_channel()
        if client is None or channel is None:
            raise SourceError(f"{address.place} does not serve files by SFTP")
        channel.settimeout(patience.answer)
        yield SftpFiles(client, address, line, max_bytes)


def _transport(address: RemoteAddress, wanted: HostKey | None, patience: Patience) -> paramiko.Transport:
    transport = paramiko.Transport(connected(address.addresses, address.port, patience.connect))
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = patience.connect
    transport.channel_timeout = patience.connect
    if wanted is not None:
        # A host has several keys; it has to show the one that we know.
        transport.get_security_options().key_types = _RSA if wanted.type == "ssh-rsa" else [wanted.type]
    return transport


def _check_host_key(transport: paramiko.Transport, wanted: HostKey | None, address: RemoteAddress) -> None:
    shown = transport.get_remote_server_key()
    found = HostKey(shown.get_name(), shown.asbytes())
    if wanted is None:
        raise SourceError(
            f"{address.place} is not known yet; it shows a key with the fingerprint {found.fingerprint}. If its"
            f" administrator confirms that, give the key as hostKey: {found}"
        )
    if found.blob != wanted.blob:
        raise SourceError(
            f"{address.place} shows another key ({found.fingerprint}) than hostKey ({wanted.fingerprint}): either it"
            " was set up anew, or somebody stands between; ask its administrator"
        )


def _log_in(transport: paramiko.Transport, given: FileConnection) -> None:
    user = str(given.username)
    if given.private_key:
        left = transport.auth_publickey(user, _private_key(given.private_key, given.password))
        if not left:
            return
    transport.auth_password(user, given.password or "")


def _private_key(text: str, password: str | None) -> paramiko.PKey:
    for kind in _KEY_CLASSES:
        try:
            return kind.from_private_key(io.StringIO(text), password)
        except paramiko.PasswordRequiredException:
            raise SourceError("The private key is protected: give its passphrase as password") from None
        except (SSHException, ValueError, IndexError):
            continue
    raise SourceError("The private key cannot be read; is it of OpenSSH, and the password its passphrase?")


@dataclass(frozen=True)
class SftpFiles(RemoteFiles):
    """The files of a server that let us in."""

    client: paramiko.SFTPClient
    address: RemoteAddress
    line: HeldLine
    max_bytes: int

    def entry(self, path: str) -> Entry | None:
        """What lies at a path; links are followed."""
        with _errors(self.address):
            try:
                return _entry(path, self.client.stat(path))
            except FileNotFoundError:
                return None

    def entries(self, folder: str) -> Iterator[Entry]:
        """What lies directly in a folder; links and special files are left out."""
        with _errors(self.address):
            for each in self.client.listdir_iter(folder or "/"):
                self.line.check()
                if stat.S_ISREG(each.st_mode or 0) or stat.S_ISDIR(each.st_mode or 0):
                    yield _entry(f"{folder.rstrip('/')}/{each.filename}", each)

    def free_bytes(self, folder: str) -> int | None:
        """By the extension ``statvfs@openssh.com``, where the server has it (OpenSSH, PROTOCOL, section 4.4)."""
        with _errors(self.address):
            try:
                # The library can ask any question, but offers no call for this one.
                ask = self.client._request  # type: ignore[attr-defined]
                kind, answer = ask(CMD_EXTENDED, "statvfs@openssh.com", folder or "/")
            except (FileNotFoundError, PermissionError):
                raise
            except OSError as error:
                if error.errno is None:  # a refusal of the server's, and not of the line
                    return None
                raise
        if kind != CMD_EXTENDED_REPLY:
            return None
        _, fragment_bytes, _, _, available = (answer.get_int64() for _ in range(5))
        return int(fragment_bytes * available)

    def blocks(self, entry: Entry, size: int) -> Generator[bytes, None, None]:
        """The file as it is read from the server."""
        with _errors(self.address), self.client.open(entry.path, "rb") as remote:
            if _entry(entry.path, remote.stat()) != entry:
                raise SourceError(f"{entry.path} changed while it was read")
            for start in range(0, size, ANSWER_BYTES * WINDOW):
                end = min(start + ANSWER_BYTES * WINDOW, size)
                wanted = [(place, min(ANSWER_BYTES, end - place)) for place in range(start, end, ANSWER_BYTES)]
                yield from remote.readv(wanted)


def _entry(path: str, found: paramiko.SFTPAttributes) -> Entry:
    folder = stat.S_ISDIR(found.st_mode or 0)
    size = UNKNOWN if found.st_size is None else found.st_size
    return Entry(path, 0, is_folder=True) if folder else Entry(path, size, f"{size}:{found.st_mtime}")


@contextmanager
def _errors(address: RemoteAddress) -> Iterator[None]:
    place = address.place
    try:
        yield
    except AuthenticationException:
        raise SourceError(f"{place} refused the credentials: is the user, and the password or key, right?") from None
    except socket.gaierror:
        raise SourceUnavailable(f"The host '{address.host}' is not known") from None
    except PermissionError:
        raise SourceError(f"{place} does not let this user read there") from None
    except FileNotFoundError:
        raise SourceError(f"{place} has no such file or folder (any more)") from None
    except TimeoutError:
        raise SourceUnavailable(f"{place} did not answer in time") from None
    except SSHException as error:
        if "incompatible" in str(error).lower() or "no acceptable" in str(error).lower():
            raise SourceError(f"{place} shows no key of the type of hostKey, or speaks SSH in no way we do") from None
        raise SourceUnavailable(f"{place} did not answer as an SFTP server, or broke off") from None
    except (OSError, EOFError):
        raise SourceUnavailable(f"{place} cannot be reached, or broke off") from None
