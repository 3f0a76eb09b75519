"""Transforms as Arrow kernels: the part of JavaScript whose results can be proven the same, column by column."""
