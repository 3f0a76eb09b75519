"""Migrations of the warehouse's schema ``dataops``: the only way its tables change."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from dataops_defs.migrating import alembic_config


def config(url: str) -> Config:
    """Alembic's settings for the warehouse's schema ``dataops`` at ``url``."""
    return alembic_config(Path(__file__).parent / "migrations", url)


def upgrade(url: str) -> None:
    """Bring the warehouse's schema ``dataops`` to the newest form."""
    command.upgrade(config(url), "head")
