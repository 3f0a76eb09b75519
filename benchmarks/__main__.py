"""Runs every workload of this folder, or those named: ``python -m benchmarks extract load``."""

import pkgutil
import sys
from importlib import import_module

import benchmarks

KNOWN = [each.name for each in pkgutil.iter_modules(benchmarks.__path__) if not each.name.startswith("_")]


def main() -> None:
    for name in sys.argv[1:] or KNOWN:
        import_module(f"benchmarks.{name}").main([])


if __name__ == "__main__":
    main()
