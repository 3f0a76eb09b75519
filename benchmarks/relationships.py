"""Relationships that are inferred, scored on databases whose foreign keys are known.

The databases are not part of the repository: name their folder, which holds ``eval_fk.py`` and ``relationships/*``,
a folder of Parquet files with ``truth.json`` each. Nothing of the declared keys is shown to the detection.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks._relationships_data import ParquetDatabase
from benchmarks._relationships_fit import Case, Weights, cases_of, fit, without
from benchmarks.matching import FOLDER_VARIABLE
from dataops_defs.adapters.embeddings import embed
from dataops_defs.matching.fields import Embed
from dataops_defs.matching.relationships import scoring
from dataops_defs.matching.relationships.detect import detect

THRESHOLD = 0.8
NAMES = {False: ("WEIGHTS", "BIAS"), True: ("WEIGHTS_WITH_MEANING", "BIAS_WITH_MEANING")}


def main(arguments: Sequence[str] | None = None) -> None:
    """Scores as the platform is, and of each database by weights fitted to the others, without and with embeddings."""
    given = _options(arguments)
    if given.data is None:
        print(f"relationships: skipped; name the folder of the databases with --data or {FOLDER_VARIABLE}")
        return
    databases = [ParquetDatabase(folder) for folder in sorted((given.data / "relationships").iterdir())]
    for embeds in (None, embed):
        how = "with embeddings" if embeds else "without embeddings"
        began = time.perf_counter()
        answers = {each.name: _answer(each, embeds) for each in databases}
        seconds = time.perf_counter() - began
        print(f"\nRelationships of {len(databases)} databases in {seconds:.1f} s, {how}, as the platform detects them")
        _show(given, answers)
        print(f"\nThe same, {how}, each database by weights fitted without it")
        _show(given, _held_out(databases, embeds, given.fit))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    folder = os.environ.get(FOLDER_VARIABLE)
    parser.add_argument("--data", type=Path, default=Path(folder) if folder else None, help="Folder of the databases")
    parser.add_argument("--fit", action="store_true", help="Print the weights that the data ask for")
    return parser.parse_args(arguments)


def _answer(database: ParquetDatabase, embeds: Embed | None) -> dict[str, Any]:
    found = detect(database.profiles(), database, embed=embeds)
    return {
        "relationships": [
            {
                "from_table": each.table,
                "from_columns": list(each.columns),
                "to_table": each.parent,
                "to_columns": list(each.parent_columns),
                "confidence": each.confidence,
            }
            for each in found
        ]
    }


def _held_out(databases: Sequence[ParquetDatabase], embeds: Embed | None, show: bool) -> dict[str, Any]:
    cases: list[Case] = [case for each in databases for case in cases_of(each, embeds)]
    if show:
        print(fit(cases))
    answers = {}
    for each in databases:
        with _by_weights(without(cases, each.name), embeds is not None):
            answers[each.name] = _answer(each, embeds)
    return answers


@contextmanager
def _by_weights(weights: Weights, with_meaning: bool) -> Iterator[None]:
    names = NAMES[with_meaning]
    with patch.multiple(scoring, **dict(zip(names, (weights.weights, weights.bias), strict=True))):
        yield


def _show(given: argparse.Namespace, answers: Mapping[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, answer in answers.items():
            (Path(folder) / f"{name}.json").write_text(json.dumps(answer))
        script = [sys.executable, str(given.data / "eval_fk.py"), "--root", str(given.data / "relationships")]
        command = [*script, "--pred-dir", folder, "--threshold", str(THRESHOLD), "--errors", "5", "--sweep"]
        print(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    main()
