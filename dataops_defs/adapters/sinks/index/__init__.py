"""Targets in Elasticsearch."""
