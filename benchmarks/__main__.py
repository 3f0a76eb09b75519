"""Runs every workload of this folder, or those named: ``python -m benchmarks extract load``."""

import argparse
import pkgutil
from importlib import import_module

import benchmarks

KNOWN = [each.name for each in pkgutil.iter_modules(benchmarks.__path__) if not each.name.startswith("_")]


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks", description="Workloads beside their peers; all, or some:")
    parser.add_argument("workload", nargs="*", help=", ".join(KNOWN))
    wanted = parser.parse_args().workload
    if unknown := set(wanted).difference(KNOWN):
        parser.error(f"no workload {', '.join(sorted(unknown))}; there are {', '.join(KNOWN)}")
    for name in wanted or KNOWN:
        import_module(f"benchmarks.{name}").main([])


if __name__ == "__main__":
    main()
