"""A dataset: what is extracted from a source (see ``extraction``), and where the raw copy is kept."""

DEFAULT_BUCKET = "captify-datasets"
