"""Datamarts in PostgreSQL: how new rows take the place of old ones under the eyes of readers."""
