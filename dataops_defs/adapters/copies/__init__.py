"""How a raw copy and what is new since it was made become the next raw copy, on disk and not in memory."""
