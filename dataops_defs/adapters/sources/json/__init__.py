"""JSON records as columns of proven types."""
