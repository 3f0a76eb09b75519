"""CSV files: their dialect, their types proven, their rows."""
