"""A MariaDB server of the Debian package ``mariadb-server``, with the data of one session; each test gets a database.

It runs as an unprivileged account where we are root. MySQL's own server has no package there.
"""

import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pymysql
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from dataops_defs.adapters.sources.mysql.source import MysqlSource
from dataops_defs.adapters.sources.registry import open_source
from dataops_defs.domain.extraction import Extraction, ExtractionType
from dataops_defs.domain.source import Source, SourceType
from dataops_defs.services.account import Account
from dataops_defs.services.embedded import free_port
from dataops_defs.services.processes import last_line, wait_until

NUMBERS = itertools.count(1)
START_SECONDS = 60.0
NEEDED = "needs MariaDB's server: make test-deps"


class MariadbServer:
    """A server on loopback, with its data in a folder of its own; who asks for it gets TLS."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._account = Account.for_server()
        folder.chmod(0o755)
        self._data = folder / "data"
        self._data.mkdir()
        self._account.own(self._data)
        self.certificate, self._key = self_signed(folder, "localhost")
        self._account.own(self._key)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def install(self) -> None:
        """Make the data folder; root may log in without a password, on loopback."""
        self._run(
            "mariadb-install-db",
            f"--datadir={self._data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )

    def start(self) -> None:
        program = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
        command = [
            program,
            "--no-defaults",
            f"--datadir={self._data}",
            f"--socket={self._data}/m.sock",
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
            "--innodb-buffer-pool-size=32M",
            "--innodb-flush-log-at-trx-commit=0",
            "--max-allowed-packet=64M",
            "--skip-name-resolve",
            f"--ssl-cert={self.certificate}",
            f"--ssl-key={self._key}",
        ]
        log = self._folder / "mariadb.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output, **self._account.identity)
        assert wait_until(self._answers, START_SECONDS), f"MariaDB did not start: {last_line(log)}"

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(START_SECONDS)

    def sql(self, statement: str, values: Any = None, *, many: bool = False, **session: Any) -> Sequence[Any]:
        """As root: one statement, or one ``many`` times."""
        given = {"host": "127.0.0.1", "port": self.port, "user": "root", "autocommit": True, "ssl_disabled": True}
        with closing(pymysql.connect(**given, **session)) as connection, connection.cursor() as cursor:
            if many:
                cursor.executemany(statement, values)
            else:
                cursor.execute(statement, values)
            return cursor.fetchall()

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            return True
        try:
            return self.sql("SELECT 1") == ((1,),)
        except pymysql.MySQLError:
            return False

    def _run(self, program: str, *options: str) -> None:
        subprocess.run(
            [program, "--no-defaults", *options], check=True, stdout=subprocess.DEVNULL, **self._account.identity
        )


def self_signed(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate of that name, valid for an hour, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    secret.touch(mode=0o600)
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate, secret


class Shop:
    """A user's database and a login that may do in it what it likes; opened as a source."""

    def __init__(self, server: MariadbServer) -> None:
        self.server = server
        self.name = f"shop_{next(NUMBERS)}"
        self.password = "shop-pässword"
        server.sql(f"CREATE DATABASE {self.name} CHARACTER SET utf8mb4")
        server.sql(f"CREATE USER {self.name} IDENTIFIED BY '{self.password}'")
        server.sql(f"GRANT ALL ON {self.name}.* TO {self.name}")
        self.connection: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": server.port,
            "database": self.name,
            "username": self.name,
            "sslmode": "disable",
        }

    def sql(self, statement: str, values: Any = None, **more: Any) -> Sequence[Any]:
        return self.server.sql(statement, values, database=self.name, **more)

    def source(self, password: str | None = None, **other: Any) -> Source:
        secrets = {"password": self.password if password is None else password}
        return Source("1", "shop", "shop", SourceType.MYSQL, "app", self.connection | other, secrets)

    def open(self, **other: Any) -> MysqlSource:
        found = open_source(self.source(**other), roots=(), allowed_hosts="127.0.0.1,localhost,*")
        assert isinstance(found, MysqlSource)
        return found

    def sessions(self) -> Sequence[Any]:
        """What the source's connections are at: the id, statement and state of each."""
        return self.server.sql(
            "SELECT id, info, state FROM information_schema.processlist WHERE user = %s AND command <> 'Killed'",
            (self.name,),
        )


def query(text: str) -> Extraction:
    return Extraction(ExtractionType.SQL, query=text)


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariadbServer]:
    if shutil.which("mariadb-install-db") is None:
        pytest.skip(NEEDED)
    # Not below pytest's own folder, which other accounts may not enter.
    with tempfile.TemporaryDirectory(prefix="dataops-mariadb-", dir="/var/tmp") as folder:
        server = MariadbServer(Path(folder))
        server.install()
        server.start()
        yield server
        server.stop()


@pytest.fixture
def shop(mariadb_server: MariadbServer) -> Iterator[Shop]:
    made = Shop(mariadb_server)
    yield made
    for id, *_ in made.sessions():
        with suppress(pymysql.err.OperationalError):  # it has ended meanwhile
            mariadb_server.sql(f"KILL {id}")
    mariadb_server.sql(f"DROP DATABASE {made.name}")
    mariadb_server.sql(f"DROP USER {made.name}")
