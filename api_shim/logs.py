"""The access log: one JSON line for each request, without queries and bodies."""

import logging

import structlog

ACCESS = structlog.get_logger("dataops.access")


def configure_logs() -> None:
    """Have all log lines of this process written as JSON."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
