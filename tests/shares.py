"""File servers of every kind, real ones, with a user, a password and a folder of files."""

import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3

from dataops_defs.services.embedded import free_port
from dataops_defs.services.processes import spawn

USER, PASSWORD = "dataops", "open-sesame"
ROOT = os.getuid() == 0
SMB_USER = "nobody" if ROOT else pwd.getpwuid(os.getuid()).pw_name
SMBD = shutil.which("smbd") or shutil.which("smbd", path="/usr/sbin")


@dataclass(frozen=True)
class Share:
    """A server, and the folder that it serves."""

    scheme: str
    port: int
    folder: Path
    login: dict[str, str]
    base: str = ""

    def address(self, path: str = "", port: int | None = None) -> str:
        return f"{self.scheme}://127.0.0.1:{port or self.port}{self.base}/{path}"

    def put(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def clear(self) -> None:
        for each in self.folder.iterdir():
            shutil.rmtree(each) if each.is_dir() else each.unlink()


@contextmanager
def running(command: list[str], ready: Callable[[], object], **variables: str) -> Iterator[None]:
    """A server process, from when it answers until it is no longer needed, or we are gone.

    In a group of its own: smbd, when it ends, ends its whole group.
    """
    server = spawn(command, None, {**os.environ, **variables})
    try:
        for _ in range(300):
            try:
                ready()
                break
            except OSError:
                assert server.poll() is None, f"{command[0]} ended with {server.returncode}"
                time.sleep(0.05)
        yield
    finally:
        server.terminate()
        server.wait()


def answers(port: int) -> Callable[[], None]:
    return lambda: socket.create_connection(("127.0.0.1", port), timeout=1).close()


@contextmanager
def rclone(kind: str, folder: Path, *options: str, port: int | None = None) -> Iterator[Share]:
    """Files over SFTP or WebDAV."""
    port = port or free_port()
    command = [str(Path(sys.executable).with_name("rclone")), "serve", kind, "--addr", f"127.0.0.1:{port}"]
    login = ["--user", USER, "--pass", PASSWORD, "--dir-cache-time", "0", "--config", "", *options]
    with running([*command, *login, str(folder)], answers(port)):
        yield Share(kind, port, folder, {"username": USER, "password": PASSWORD})


@contextmanager
def sftp(folder: Path, keys: Path) -> Iterator[Share]:
    """Files over SFTP; the host's key is made for it, and a user's key is let in too."""
    host, user = keys / "host", keys / "user"
    for path, bits in ((host, "host"), (user, "user")):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", bits, "-f", str(path)], check=True)
    with rclone("sftp", folder, "--key", str(host), "--authorized-keys", f"{user}.pub") as share:
        shown = " ".join(Path(f"{host}.pub").read_text().split()[:2])
        yield Share("sftp", share.port, folder, {**share.login, "hostKey": shown})


@contextmanager
def smb(folder: Path) -> Iterator[Share]:
    """Files over SMB, of Debian's smbd; its user is the system's nobody."""
    port = free_port()
    with tempfile.TemporaryDirectory() as state:
        for name in ("private", "lock", "state", "cache", "pid", "ncalrpc"):
            (Path(state) / name).mkdir()
        settings = Path(state) / "smb.conf"
        places = "".join(f"{name} = {state}/{where}\n" for name, where in _SMB_FOLDERS.items())
        settings.write_text(
            f"[global]\nsmb ports = {port}\ninterfaces = 127.0.0.1\nbind interfaces only = yes\n"
            f"server role = standalone server\nmap to guest = never\nload printers = no\n{places}"
            f"[files]\npath = {folder}\nread only = yes\n" + ("force user = root\n" if ROOT else "")
        )
        typed = f"{PASSWORD}\n{PASSWORD}\n".encode()
        subprocess.run(
            ["smbpasswd", "-c", str(settings), "-s", "-a", SMB_USER], input=typed, check=True, capture_output=True
        )
        command = [str(SMBD), "-F", "--no-process-group", "-s", str(settings), "-l", state]
        with running(command, answers(port)):
            yield Share("smb", port, folder, {"username": SMB_USER, "password": PASSWORD}, "/files")


@dataclass(frozen=True)
class S3:
    """An S3 server that looks at credentials, and those of its administrator."""

    endpoint: str
    key: str
    secret: str

    @cache  # noqa: B019 - a client takes a while to make, and there are few
    def client(self, service: str = "s3") -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
        )

    def user(self, name: str, *actions: str) -> "S3":
        """Somebody who may do only this, in all buckets."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        policy = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}],
        }
        iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=json.dumps(policy))
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return S3(self.endpoint, made["AccessKeyId"], made["SecretAccessKey"])


@contextmanager
def s3_of_a_folder(folder: Path) -> Iterator[S3]:
    """A second kind of S3 server, whose folders are buckets: rclone, which lists ETags without their quotes."""
    port, key, secret = free_port(), "dataops-test-key-id", PASSWORD
    command = [str(Path(sys.executable).with_name("rclone")), "serve", "s3", "--addr", f"127.0.0.1:{port}"]
    login = ["--auth-key", f"{key},{secret}", "--dir-cache-time", "0", "--config", ""]
    with running([*command, *login, str(folder)], answers(port)):
        yield S3(f"http://127.0.0.1:{port}", key, secret)


@contextmanager
def s3() -> Iterator[S3]:
    """A moto server. It looks at credentials once its administrator is made, in three actions."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    with running(command, answers(port), INITIAL_NO_AUTH_ACTION_COUNT="3"):
        nobody = S3(f"http://127.0.0.1:{port}", "none", "none")
        yield nobody.user("admin", "*")


_SMB_FOLDERS = {
    "private dir": "private",
    "lock directory": "lock",
    "state directory": "state",
    "cache directory": "cache",
    "pid directory": "pid",
    "ncalrpc dir": "ncalrpc",
}
