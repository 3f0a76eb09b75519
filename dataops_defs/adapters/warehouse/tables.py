"""The platform's own tables in the warehouse: they must commit with the data they speak of.

Schema ``dataops``; the reader and builder roles cannot see it.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    MetaData,
    Sequence,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB, REGCLASS

SCHEMA = "dataops"
METADATA = MetaData(schema=SCHEMA)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


LEDGER = Table(
    "ledger",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("run_id", Uuid(as_uuid=False), nullable=False),
    Column("subject_kind", Text, nullable=False),
    Column("subject_id", Uuid(as_uuid=False), nullable=False),
    Column("target", Text, nullable=False),
    _count("read"),
    _count("inserted"),
    _count("updated"),
    _count("unchanged"),
    _count("rejected"),
    _count("filtered"),
    _count("deleted"),
    Column("committed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("read = inserted + updated + unchanged + rejected + filtered", name="ck_ledger_balance"),
    Index("ix_ledger_subject", "subject_id", "id"),
    Column("step_id", Uuid(as_uuid=False), unique=True),
    Column("outcome", JSONB),
    Index("ix_ledger_run", "run_id"),
    Index("ix_ledger_datamart", "target", "id", postgresql_where=text("subject_kind = 'datamart'")),
)

DATAMART_VERSION = Table(
    "datamart_version",
    METADATA,
    Column("version_id", Uuid(as_uuid=False), primary_key=True),
    Column("relation", REGCLASS, nullable=False),
)
"""The tables of versions of datamarts. A ``regclass`` goes along with a rename, and is dumped as a name."""

FENCE = Table(
    "fence",
    METADATA,
    Column("run_id", Uuid(as_uuid=False), primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("taken_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

# One for all pipelines: several may write one target, and the later turn counts there.
TURNS = Sequence("turns", metadata=METADATA)

CHECKPOINT = Table(
    "checkpoint",
    METADATA,
    Column("pipeline_id", Uuid(as_uuid=False), primary_key=True),
    Column("run_id", Uuid(as_uuid=False), nullable=False),
    Column("turn", BigInteger, TURNS, nullable=False, server_default=TURNS.next_value()),
    Column("load", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("spool", Text),
    Column("columns", JSONB),
    Column("spooled_at", DateTime(timezone=True)),
    _count("rows"),
    _count("position"),
    Column("counted", JSONB, nullable=False, server_default="{}"),
    Column("next_mark", Text),
    Column("mark", Text),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

REJECT = Table(
    "reject",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("run_id", Uuid(as_uuid=False), nullable=False),
    Column("subject_kind", Text, nullable=False),
    Column("subject_id", Uuid(as_uuid=False), nullable=False),
    Column("row_number", BigInteger, nullable=False),
    Column("column_name", Text),
    Column("reason", Text, nullable=False),
    # json, not jsonb: a NUL stays one, and the columns stay in their order.
    Column("raw", JSON, nullable=False),
    Column("rejected_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("state", Text, nullable=False, server_default="open"),
    Column("settled_by", Uuid(as_uuid=False)),
    Column("settled_at", DateTime(timezone=True)),
    Column("corrected", JSON),
    Column("taken_key", Text),
    CheckConstraint("state IN ('open', 'repaired', 'superseded')", name="ck_reject_state"),
    Index("ix_reject_open", "subject_id", "id", postgresql_where=text("state = 'open'")),
    Index("ix_reject_subject", "subject_id", "id"),
    Index("ix_reject_run", "run_id"),
)

# What somebody wants rejected rows to hold instead, kept before the run that replays them begins.
CORRECTION = Table(
    "correction",
    METADATA,
    Column("reject_id", BigInteger, primary_key=True, autoincrement=False),
    Column("run_id", Uuid(as_uuid=False), primary_key=True),
    Column("corrected", JSON, nullable=False),
    Column("kept_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    ForeignKeyConstraint(["reject_id"], [f"{SCHEMA}.reject.id"], ondelete="CASCADE"),
    Index("ix_correction_run", "run_id"),
)

# What a sync is about to write into a store without transactions, decided before its first write.
OBJECT_PLAN = Table(
    "object_plan",
    METADATA,
    Column("step_id", Uuid(as_uuid=False), primary_key=True),
    Column("run_id", Uuid(as_uuid=False), nullable=False),
    Column("fingerprint", Text, nullable=False),
    _count("inserted"),
    _count("updated"),
    _count("unchanged"),
    _count("filtered"),
    _count("deleted"),
    _count("written"),
    Column("made_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

OBJECT_WRITE = Table(
    "object_write",
    METADATA,
    Column("step_id", Uuid(as_uuid=False), primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("action", Text, nullable=False),
    Column("content", JSON, nullable=False),
    Column("row_number", BigInteger),
    Column("reason", Text),
    CheckConstraint("action IN ('put', 'delete', 'refuse')", name="ck_object_write_action"),
    ForeignKeyConstraint(["step_id"], [f"{SCHEMA}.object_plan.step_id"], ondelete="CASCADE"),
)

# What the targets of imports hold: one row for each file whose rows are there.
LOADED_FILE = Table(
    "loaded_file",
    METADATA,
    Column("step_id", Uuid(as_uuid=False), primary_key=True),
    Column("target", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("options", Text, nullable=False),
    Column("import_id", Uuid(as_uuid=False), nullable=False),
    Column("watch_id", Uuid(as_uuid=False)),
    _count("rows"),
    Column("uri", Text),
    # Which table it was: its number, and that of its database, for a copy of the warehouse numbers them anew.
    Column("relation", Text),
    Column("loaded_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_loaded_file_target", "target", "content_hash"),
    Index("ix_loaded_file_watch", "watch_id", "content_hash"),
)
