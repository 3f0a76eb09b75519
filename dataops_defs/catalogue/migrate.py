"""Migrations of the catalogue: the only way its tables change."""

from pathlib import Path

from alembic import command
from alembic.config import Config


def config(url: str) -> Config:
    """Alembic's settings for the catalogue at ``url``."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    made.set_main_option("file_template", "%%(year)d%%(month).2d%%(day).2d_%%(slug)s")
    made.attributes["url"] = url
    return made


def upgrade(url: str) -> None:
    """Bring the catalogue to the newest form."""
    command.upgrade(config(url), "head")
