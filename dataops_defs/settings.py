"""All that is read from the environment, in one class, checked at start."""

import json
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from dataops_defs.domain.etl import DEFAULT_TARGETS
from dataops_defs.domain.mail import MailServer
from dataops_defs.errors import DependencyUnavailable, Invalid

PROJECT = Path(__file__).resolve().parent.parent
DATABASES = ("catalogue", "warehouse", "dagster")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
OWNER, READER, BUILDER = "dataops", "dataops_reader", "dataops_builder"


class Settings(BaseSettings):
    """Everything read from outside; the variables are ``DATAOPS_`` and the field's name in capitals."""

    model_config = SettingsConfigDict(env_prefix="DATAOPS_", env_file=PROJECT / ".env", extra="ignore")

    home: Path = Field(default=PROJECT / ".dataops", description="State folder: database, raw files, keys, logs")
    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8000, ge=1, le=65535)
    dagster_port: int = Field(default=3000, ge=1, le=65535)
    admin_token: SecretStr | None = Field(default=None, description="The first admin token")
    auth_mode: Literal["token", "compat"] = "token"
    public_url: str | None = None

    database_url: SecretStr | None = Field(default=None, description="A server; the three URLs are derived from it")
    catalogue_url: SecretStr | None = None
    warehouse_url: SecretStr | None = None
    instance_url: SecretStr | None = None
    builder_url: SecretStr | None = Field(default=None, description="Role that owns the datamart schemas")
    reader_url: SecretStr | None = Field(default=None, description="Role that may only SELECT")

    keys_file: Path | None = Field(default=None, description="Keys that wrap secrets; default <home>/keys.json")
    raw_store: str = Field(default="", description="file:///folder or s3://bucket; default <home>/raw")
    lake: str = Field(default="", description="file:///folder or s3://bucket/prefix of Iceberg tables; <home>/lake")
    s3_endpoint: str | None = Field(default=None, description="Endpoint of an S3-compatible raw store")
    file_roots: str = Field(default="", description="Folders files may be read from, separated by ':'")
    sql_functions: str = Field(default="", description="User-defined functions that user SQL may call, by comma")
    etl_targets: str = Field(
        default=",".join(DEFAULT_TARGETS), description="Targets that ETL pipelines of document 003 may write, by comma"
    )
    mount_points: str = Field(default="/mnt,/media", description="Folders below which mounts may be named, by comma")
    import_schemas: str = Field(
        default="raw", description="Schemas of the warehouse that imports of files may write, by comma"
    )
    allowed_hosts: str = Field(
        default="",
        description="Hosts sources may name, by comma, * for all others; default <home>/allowed_hosts, else all but"
        " this machine, and of REST APIs all that are public",
    )
    max_file_bytes: int = Field(
        default=50 * 1024**3, gt=0, description="Most bytes read of one remote file or object, also unpacked"
    )

    dynamodb_endpoint: str | None = Field(
        default=None, description="Endpoint of a server that speaks DynamoDB's protocol; AWS when left out"
    )
    dynamodb_tables: str = Field(
        default="*", description="DynamoDB tables that object types may name, by comma; * stands for any characters"
    )

    elasticsearch_url: SecretStr | None = Field(default=None, description="Servers of es: targets, by comma")
    elasticsearch_api_key: SecretStr | None = Field(default=None, description="In place of a user in the URL")
    elasticsearch_ca: Path | None = Field(default=None, description="Certificate that signed the servers'")
    elasticsearch_compatible: bool = Field(
        default=False,
        description="For servers that speak the REST API but refuse the client's media types, such as OpenSearch",
    )

    wait_seconds: float = Field(default=25.0, gt=0, le=300, description="How long a request waits for its run")
    max_runtime_seconds: int = Field(default=86_400, gt=0)
    run_launcher: Literal["warm", "default"] = Field(
        default="warm", description="warm: forked from a parent that has all imported; default: Dagster's own way"
    )
    max_workers: int = Field(default=16, ge=1, description="Most workers the warm launcher runs at a time")
    terminate_seconds: float = Field(default=10.0, gt=0, description="What a terminated run has before it is killed")
    max_queued_runs: int = Field(default=100, gt=0, description="Requests in Dagster's queue; others wait outside it")
    max_waiting_runs: int = Field(default=10_000, gt=0, description="Requests that may wait; more are answered 429")
    event_log_days: int = Field(default=90, ge=0, description="Days Dagster's event log is kept; 0: for ever")
    max_body_bytes: int = Field(default=1_000_000, gt=0)
    max_preview_bytes: int = Field(
        default=1024**3, gt=0, description="Of a file that is uploaded to be looked into, or is copied for that"
    )
    max_upload_bytes: int = Field(default=20_000_000, gt=0, description="Of a form with a file")

    raw_days: int = Field(default=90, ge=0, description="Days superseded raw copies are kept; 0: for ever")
    raw_keep: int = Field(
        default=3, ge=1, description="Newest raw copies of a dataset that are kept whatever their age"
    )
    reject_days: int = Field(default=365, ge=0, description="Days rejected rows of earlier runs are kept; 0: for ever")
    export_days: int = Field(default=30, ge=0, description="Days exported files are kept; 0: for ever")
    export_link_days: float = Field(default=7, gt=0, description="Days an exported workbook may be fetched")
    export_folder: Path | None = Field(default=None, description="Where workbooks are kept; default <home>/exports")
    export_max_rows: int = Field(default=5_000_000, gt=0, description="Most rows of one table in a workbook")
    alert_days: int = Field(default=90, ge=0, description="Days that what alerts have sent is kept; 0: for ever")

    smtp_url: SecretStr | None = Field(
        default=None, description="Where mail is handed over: smtp://, smtp+starttls:// or smtps://user:password@host"
    )
    smtp_from: str | None = Field(default=None, description="The address that mail comes from")

    # The smaller of percent and bytes counts: 10 % of a large disk is room for days, 5 GB are all of a small one.
    disk_low_percent: float = Field(default=10, ge=0, le=100, description="Below this much free, /health warns")
    disk_low_bytes: int = Field(default=5_000_000_000, ge=0, description="The same in bytes; the smaller one counts")
    disk_full_percent: float = Field(default=2, ge=0, le=100, description="Below this much free, no work is begun")
    disk_full_bytes: int = Field(default=500_000_000, ge=0, description="The same in bytes; the smaller one counts")

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.home = self.home.expanduser().absolute()
        if self.auth_mode == "compat" and self.api_host not in LOOPBACK:
            raise ValueError("DATAOPS_AUTH_MODE=compat needs a server that listens on loopback only")
        if self.api_port == self.dagster_port:
            raise ValueError("DATAOPS_API_PORT and DATAOPS_DAGSTER_PORT must differ")
        try:
            _ = self.mail_server
        except Invalid as error:
            raise ValueError(f"DATAOPS_SMTP_URL {error}") from None
        return self

    @property
    def run_folder(self) -> Path:
        """Pid files and the description of the running stack."""
        return self.home / "run"

    @property
    def stack_file(self) -> Path:
        """Written by the embedded database's owner (mode 0600): the URLs of the running stack."""
        return self.home / "stack.json"

    @property
    def keys_path(self) -> Path:
        """The file with the keys that wrap secrets."""
        return self.keys_file or self.home / "keys.json"

    @property
    def roles_path(self) -> Path:
        """The file (mode 0600) with the passwords of the platform's database roles."""
        return self.home / "roles.json"

    @property
    def exports_path(self) -> Path:
        """The folder that keeps exported workbooks."""
        return (self.export_folder or self.home / "exports").expanduser().absolute()

    @property
    def token_path(self) -> Path:
        """The file (mode 0600) that keeps the first admin token."""
        return self.home / "admin_token"

    @property
    def embedded(self) -> bool:
        """Whether the platform runs its own PostgreSQL."""
        return self.database_url is None and self.catalogue_url is None

    @property
    def mail_server(self) -> MailServer | None:
        """The server that takes our mail; None where none is set."""
        return MailServer.of(self.smtp_url.get_secret_value(), self.smtp_from) if self.smtp_url else None

    @property
    def roots(self) -> tuple[Path, ...]:
        """Folders that files may be read from."""
        given = tuple(Path(root) for root in self.file_roots.split(":") if root)
        return given or (self.home / "files",)

    @property
    def mount_folders(self) -> tuple[str, ...]:
        """Folders below which mounts may be named; they may be below those that files are read from, too."""
        given = (each.strip() for each in self.mount_points.split(","))
        return tuple(each for each in given if each)

    @property
    def raw_store_url(self) -> str:
        """Where raw copies are kept."""
        return self.raw_store or (self.home / "raw").as_uri()

    @property
    def lake_url(self) -> str:
        """Where the files of Iceberg tables are kept."""
        return self.lake or (self.home / "lake").as_uri()

    @property
    def import_targets(self) -> frozenset[str]:
        """Schemas that imports may write."""
        return frozenset(name.strip() for name in self.import_schemas.split(",") if name.strip())

    @property
    def allowed_functions(self) -> frozenset[str]:
        """User-defined SQL functions an admin has listed, lower case."""
        return frozenset(name.strip().lower() for name in self.sql_functions.split(",") if name.strip())

    @property
    def hosts(self) -> frozenset[str]:
        """Hosts that sources may name, or ``host:port``; none when there is no list."""
        given = self.allowed_hosts
        if not given:
            with suppress(OSError):
                given = self.hosts_path.read_text()
        return frozenset(given.replace("\n", ",").replace(" ", "").split(",")) - {""}

    @property
    def hosts_path(self) -> Path:
        """The file with hosts that sources may name, one a line; where ``allowed_hosts`` says nothing."""
        return self.home / "allowed_hosts"

    @property
    def allowed_targets(self) -> frozenset[str]:
        """Targets that ETL pipelines may write."""
        return frozenset(name.strip() for name in self.etl_targets.split(",") if name.strip())

    @property
    def api_url(self) -> str:
        """Address of the REST API."""
        return f"http://{self.api_host}:{self.api_port}"

    @property
    def dagster_url(self) -> str:
        """Address of the Dagster UI; always on loopback."""
        return f"http://127.0.0.1:{self.dagster_port}"

    def url(self, name: str) -> str:
        """The SQLAlchemy URL of one database as one role.

        ``catalogue``, ``warehouse`` and ``instance`` as their owner, ``builder`` and ``reader`` for the
        warehouse, and ``superuser`` for work no role of the platform may do, such as the demo's own source
        database (on a server that ``DATAOPS_DATABASE_URL`` names: that URL's user, whatever they may do).
        Taken from its own variable, else derived from ``DATAOPS_DATABASE_URL``, else from the running stack.

        Raises:
            DependencyUnavailable: nothing is configured and the embedded server is not running.
        """
        own: SecretStr | None = getattr(self, f"{name}_url", None)
        if own is not None:
            return with_driver(own.get_secret_value())
        if self.database_url is not None:
            login = self._role_login(name) if name in ("reader", "builder") else None
            return derived_url(self.database_url.get_secret_value(), name, login)
        try:
            stack = json.loads(self.stack_file.read_text())
        except (OSError, ValueError):
            raise DependencyUnavailable(
                "No database is configured and none is running: run 'make up', or set DATAOPS_DATABASE_URL"
            ) from None
        return str(stack[name])

    def _role_login(self, name: str) -> tuple[str, str]:
        role = {"reader": READER, "builder": BUILDER}[name]
        try:
            return role, str(json.loads(self.roles_path.read_text())[role])
        except (OSError, ValueError, KeyError):
            raise DependencyUnavailable(
                f"The password of the database role {role} is not known here: run 'dataops up' or "
                f"'dataops db bootstrap' once, or set DATAOPS_{name.upper()}_URL"
            ) from None


def with_driver(url: str) -> str:
    """The URL with psycopg2 named: SQLAlchemy 2.1 would otherwise look for psycopg 3."""
    parts = urlsplit(url)
    if parts.scheme.partition("+")[0] not in ("postgresql", "postgres"):
        raise Invalid("A database URL must begin with postgresql://")
    return urlunsplit(parts._replace(scheme="postgresql+psycopg2"))


def derived_url(url: str, name: str, login: tuple[str, str] | None = None) -> str:
    """The URL of one of the platform's databases on the server of ``url``, as ``login`` (role, password)."""
    database = {"instance": "dagster", "builder": "warehouse", "reader": "warehouse", "superuser": "postgres"}
    parts = urlsplit(with_driver(url))
    netloc = parts.netloc
    if login is not None:
        netloc = f"{quote(login[0], safe='')}:{quote(login[1], safe='')}@{netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=netloc, path=f"/{database.get(name, name)}"))


@lru_cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
