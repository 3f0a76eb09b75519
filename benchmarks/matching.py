"""Suggestions for mappings, scored on cases whose right answers are known.

The cases are not part of the repository: name their folder, which holds ``eval_map.py`` and ``mappings/*.json``.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER_VARIABLE = "DATAOPS_MATCHING_DATA"


def main(arguments: Sequence[str] | None = None) -> None:
    """Scores of every file of cases, as the folder's own script counts them."""
    given = _options(arguments)
    if given.data is None:
        print(f"matching: skipped; name the folder of the cases with --data or {FOLDER_VARIABLE}")
        return
    for path in sorted((given.data / "mappings").glob("*.json")):
        cases = json.loads(path.read_text())["cases"]
        began = time.perf_counter()
        answers = (_held_out if given.fit else _suggested)(cases)
        seconds = time.perf_counter() - began
        how = "each group by weights fitted without it" if given.fit else "as the platform suggests"
        print(f"\nMappings, {path.name}: {len(cases)} cases in {seconds:.1f} s, {how}")
        print(_scores(given.data / "eval_map.py", path, answers))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    folder = os.environ.get(FOLDER_VARIABLE)
    parser.add_argument("--data", type=Path, default=Path(folder) if folder else None, help="Folder of the cases")
    parser.add_argument("--fit", action="store_true", help="Fit the weights anew and score them held out")
    return parser.parse_args(arguments)


def _suggested(cases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    from dataops_defs.adapters.embeddings import embed
    from dataops_defs.matching.request import sources_of, targets_of
    from dataops_defs.matching.suggest import suggest

    def of(case: Mapping[str, Any]) -> list[dict[str, Any]]:
        columns, properties = sources_of(case["dataset"]["columns"]), targets_of(case["ontology"]["properties"])
        return [_shown(each.column, each.property, each.confidence) for each in suggest(columns, properties, embed)]

    return _by_case(cases, of)


def _held_out(cases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    from benchmarks._matching_fit import Case, held_out

    read = [Case.of(case) for case in cases]
    confidences = dict(zip((case["id"] for case in cases), held_out(read, print), strict=True))

    def of(case: Mapping[str, Any]) -> list[dict[str, Any]]:
        found = confidences[case["id"]]
        columns = list(dict.fromkeys(each["name"] for each in case["dataset"]["columns"]))
        properties = list(dict.fromkeys(each["name"] for each in case["ontology"]["properties"]))
        return [
            _shown(column, properties[place], float(found[row, place]))
            for row, column in enumerate(columns)
            for place in found[row].argsort()[::-1][:5]
        ]

    return _by_case(cases, of)


def _by_case(cases: Sequence[Mapping[str, Any]], of: Callable[[Mapping[str, Any]], Any]) -> dict[str, Any]:
    return {"cases": {case["id"]: {"suggestions": of(case)} for case in cases}}


def _shown(column: str, property: str, confidence: float) -> dict[str, Any]:
    return {"column": column, "property": property, "confidence": confidence}


def _scores(script: Path, cases: Path, answers: Mapping[str, Any]) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(answers, file)
        file.flush()
        command = [sys.executable, str(script), str(cases), file.name]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
