"""Rows on their way to objects, by the column: paths, elements of lists, fitting and checking without loops."""
