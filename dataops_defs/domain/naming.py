"""Names that other systems hang on: slugs, asset keys, group names, keys of raw files, schedule names.

They are the public surface of the Dagster location, and the REST API prints them too; a test pins them.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256

from anyascii import anyascii

from dataops_defs.errors import Invalid

MAX_NAME = 200
MAX_SLUG = 80
WAREHOUSE = "warehouse"
"""First word of the keys of all tables of the warehouse."""

AssetPath = tuple[str, ...]


def slug(name: str, field: str = "name") -> str:
    """``Aircraft Inventory`` -> ``aircraft_inventory``; other scripts are transliterated.

    Raises:
        Invalid: nothing is left, or the name is longer than 200 characters.
    Source: DECISIONS 33.
    """
    if len(name) > MAX_NAME:
        raise Invalid.field(field, f"must not be longer than {MAX_NAME} characters")
    latin = anyascii(name.lower().replace("ё", "yo"))
    result = re.sub(r"[^a-z0-9]+", "_", latin.lower()).strip("_")[:MAX_SLUG].rstrip("_")
    if not result:
        raise Invalid.field(field, f"'{name}' leaves no letters or digits to make an identifier of")
    return result


def source_key(app: str, source: str) -> AssetPath:
    """Asset key of a source; both arguments are slugs."""
    return (app, "source", source)


def dataset_key(app: str, dataset: str) -> AssetPath:
    """Asset key of a dataset in the raw store."""
    return (app, "raw", dataset)


def mapping_key(app: str, mapping: str) -> AssetPath:
    """Asset key of a mapping; materialising it is a sync."""
    return (app, "sync", mapping)


def object_type_key(app: str, object_type: str) -> AssetPath:
    """Asset key of the objects of one type; all mappings that write them are upstream."""
    return (app, "objects", object_type)


def table_key(schema: str, table: str) -> AssetPath:
    """Asset key of a table, view or datamart of the warehouse."""
    return (WAREHOUSE, schema, table)


def import_key(store: str, schema: str, table: str) -> AssetPath:
    """Asset key of what imports write: a table of the warehouse, or one of another store."""
    return table_key(schema, table) if store == "postgres" else (str(store), schema, table)


def watch_key(app: str, watch: str) -> AssetPath:
    """Asset key of a watched folder; the tables its files go to are downstream."""
    return (app, "watch", watch)


def etl_key(app: str, pipeline: str) -> AssetPath:
    """Asset key of an ETL pipeline; materialising it is a run."""
    return (app, "etl", pipeline)


def target_key(schema: str | None, name: str) -> AssetPath:
    """Asset key of what an ETL pipeline writes: a table, or an index where there is no schema."""
    return table_key(schema, name) if schema else index_key(name)


def index_key(index: str) -> AssetPath:
    """Asset key of an index of Elasticsearch."""
    return ("elasticsearch", index)


def problem_key(kind: str, name: str) -> AssetPath:
    """Asset key under which a catalogue row that cannot be loaded is shown."""
    return ("set_aside", kind, name)


def check_path(path: Sequence[str]) -> str:
    """An asset key as people type it in the Dagster UI: ``app/raw/name``."""
    return "/".join(path)


def plain_name(path: Sequence[str]) -> str:
    """An asset key as a name of an op's input or output, which Dagster wants of ASCII letters, digits and _ only.

    Names of tables hold anything: the digest keeps apart what is alike without its other characters.
    """
    digest = sha256("\0".join(path).encode()).hexdigest()[:16]
    return f"{re.sub('[^A-Za-z0-9_]', '_', '_'.join(path))}_{digest}"


def schedule_name(subject_kind: str, subject_slug: str) -> str:
    """Name of the Dagster schedule of a dataset, mapping, pipeline, datamart or trigger."""
    return f"{subject_kind}__{subject_slug}"


def pipeline_job_name(pipeline: str) -> str:
    """Name of the asset job over a pipeline graph's nodes."""
    return f"pipeline__{pipeline}"


def op_name(job: str) -> str:
    """Name of the one op of a static job; Dagster wants it to differ from the job's."""
    return f"{job}_by_id"


def watch_sensor_name(watch: str) -> str:
    """Name of the sensor that looks into a watched folder."""
    return f"watch__{watch}"


def trigger_name(trigger: str) -> str:
    """Name of the sensor of a file trigger, and of the schedule of a cron trigger."""
    return schedule_name("trigger", trigger)


def raw_key(prefix: str, dataset_id: str, taken_at: datetime, extension: str) -> str:
    """Key of one extraction inside its bucket: ``{prefix}/{dataset id}/{timestamp}.{extension}``.

    Args:
        taken_at: when the extraction began, timezone-aware; kept to microseconds, UTC, so that two extractions
            of one dataset never share a key.
    Source: document 004, "S3 Buckets".
    """
    if taken_at.tzinfo is None:
        raise ValueError("taken_at needs a timezone")
    stamp = taken_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return f"{prefix.strip('/')}/{dataset_id}/{stamp}.{extension}"
