"""SQL laid out for people to read."""

from functools import lru_cache

from sqlglot import transpile
from sqlglot.errors import SqlglotError

FITS_A_LINE = 80


@lru_cache(maxsize=5_000)
def laid_out(query: str) -> str:
    """A query that is one long line, a clause and a column on each line; any other as its author has laid it out."""
    if len(query) <= FITS_A_LINE or "\n" in query.strip():
        return query
    try:
        return transpile(query, read="postgres", write="postgres", pretty=True)[0]
    except (SqlglotError, RecursionError):
        return query
