"""Workloads beside their peers or limits, in the same run: ``python -m benchmarks`` runs them all."""
