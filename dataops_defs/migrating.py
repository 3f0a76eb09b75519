"""How migrations are run: Alembic with a folder of scripts and a URL, no file of settings."""

from pathlib import Path

from alembic.config import Config


def alembic_config(folder: Path, url: str) -> Config:
    """Alembic's settings for the scripts in ``folder`` and the database at ``url``."""
    made = Config()
    made.set_main_option("script_location", str(folder))
    made.set_main_option("file_template", "%%(year)d%%(month).2d%%(day).2d_%%(slug)s")
    made.attributes["url"] = url
    return made
