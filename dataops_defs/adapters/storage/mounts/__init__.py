"""Places of files that are mounted by name."""
