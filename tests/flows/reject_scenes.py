"""A register of people with 137 planted defects, the clean one, and words to mend and replay rejects."""

import csv
import io
from collections.abc import Callable, Mapping
from typing import Any

from dataops_defs.adapters.reject_files.cells import corrections
from dataops_defs.adapters.reject_files.download import write_csv, write_workbook
from dataops_defs.adapters.reject_files.upload import read_mended
from dataops_defs.adapters.warehouse.corrections import keep_corrections
from dataops_defs.adapters.warehouse.rejects import Filter, Reject, rejects_by_id, stream_rejects
from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.leases import Leases
from dataops_defs.catalogue.mappings import Mappings
from dataops_defs.catalogue.runs import Runs
from dataops_defs.domain.rejects import RejectState
from dataops_defs.domain.run import RunKind
from dataops_defs.flows.lease import Lease
from dataops_defs.flows.outcome import Outcome
from dataops_defs.flows.platform import Platform
from dataops_defs.flows.replay_rejects import CHOSEN, replay_rejects
from dataops_defs.flows.work import Work
from tests.scenes import World

Row = dict[str, str]
COLUMNS = ("code", "name", "age", "born", "status", "salary", "note")
PEOPLE = 1_200
PROPERTIES: dict[str, Any] = {
    "code": {"type": "string", "pattern": "^[0-9]{6}$"},
    "name": {"type": "string", "maxLength": 30},
    "age": {"type": "integer", "minimum": 0},
    "born": {"type": "string", "format": "date"},
    "status": {"type": "string", "enum": ["active", "retired"]},
    "salary": {"type": "number", "minimum": 0},
    "note": {"type": "string"},
}
MAPPED: dict[str, Any] = {
    **{name: name for name in COLUMNS},
    "status": {"sourceColumn": "status", "transform": "value && value.toLowerCase()"},
}
# What is wrong with so many rows: 137 in all. Each kind spoils one column of rows of its own.
DEFECTS: dict[str, tuple[int, Callable[[Row, int], None]]] = {
    "a number that is none": (30, lambda row, _n: row.update(age="thirty")),
    "a number below its minimum": (17, lambda row, _n: row.update(salary="-1.50")),
    "a date that is none": (25, lambda row, _n: row.update(born="31.12.1999")),
    "a name that is missing": (20, lambda row, _n: row.update(name="")),
    "an unknown status": (20, lambda row, _n: row.update(status="asleep")),
    "a key that another has": (13, lambda row, n: row.update(code=f"{n % 7:06}")),
    "a name that is too long": (7, lambda row, _n: row.update(name="Ann " * 12)),
    "a NUL": (5, lambda row, _n: row.update(note="half\x00a note")),
}
DEFECT_COUNT = 137


def people() -> list[Row]:
    """The clean register: keys with leading zeros, numbers of 20 digits, and notes that look like formulas."""
    notes = ["plain", "=1+1", "00123", "12345678901234567890", 'a,b\n"c"', "'quoted", "", "\u00e9\u4e2d\U0001f600"]
    return [
        {
            "code": f"{number:06}",
            "name": f"Person {number}",
            "age": str(20 + number % 50),
            "born": f"19{50 + number % 50}-0{1 + number % 9}-1{number % 10}",
            "status": ("Active", "RETIRED")[number % 2],
            "salary": f"{1000 + number}.{number % 100:02}",
            "note": notes[number % len(notes)],
        }
        for number in range(PEOPLE)
    ]


def spoiled(rows: list[Row]) -> list[Row]:
    """The same with the defects, spread over the file; the rows that keep their keys come first."""
    places = iter(range(100, PEOPLE, 8))
    made = [dict(row) for row in rows]
    for count, spoil in DEFECTS.values():
        for _ in range(count):
            place = next(places)
            spoil(made[place], place)
    return made


def as_csv(rows: list[Row]) -> str:
    text = io.StringIO()
    lines = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    lines.writeheader()
    lines.writerows(rows)
    return text.getvalue()


def worker(platform: Platform, run: str) -> Work:
    with platform.catalogue() as session:
        held = Leases(session).begin(run, new_id())
    assert held is not None
    return Work(platform, Lease(platform, held), say=lambda _text: None)


class Register:
    """A dataset of people and a mapping of it; what is done is done as the REST API does it."""

    def __init__(self, world: World, rows: list[Row], name: str = "people", **sync: str) -> None:
        self.world, self.name = world, name
        self.dataset = world.dataset(world.csv(f"{name}.csv", as_csv(rows)), name)
        kind = world.object_type(name, "code", PROPERTIES, required=["code", "name", "age"])
        self.mapping = world.mapping(self.dataset, kind, MAPPED, **sync)

    @classmethod
    def of(cls, world: World, dataset: str, mapping: str, name: str) -> "Register":
        """Another dataset and mapping, with the same words."""
        made = cls.__new__(cls)
        made.world, made.dataset, made.mapping, made.name = world, dataset, mapping, name
        return made

    def rejects(self, state: RejectState | None = RejectState.OPEN) -> list[Reject]:
        with self.world.platform.warehouse("test") as connection:
            return list(stream_rejects(connection, Filter(self.mapping, state=state)))

    def download(self, write: Callable[..., None] = write_csv) -> bytes:
        file = io.BytesIO()
        write(file, self.rejects(), COLUMNS)
        return file.getvalue()

    def workbook(self) -> bytes:
        return self.download(write_workbook)

    def upload(self, content: bytes) -> str:
        """Keep what a file says; the run that is to replay it."""
        mended = read_mended(content, COLUMNS)
        held = self._held([each.reject_id for each in mended])
        return self.request({each.reject_id: corrections(each.cells, held[each.reject_id].content) for each in mended})

    def request(self, wanted: Mapping[int, Mapping[str, Any]] | None = None) -> str:
        """Keep what is wanted, on top of what was given before; the run that is to replay it."""
        parameters = {} if wanted is None else {CHOSEN: len(wanted)}
        with self.world.platform.catalogue() as session:
            run = Runs(session).request(RunKind.REPLAY, self.mapping, self.name, parameters=parameters).id
        if wanted is not None:
            held = self._held(list(wanted))
            kept = {id: {**(held[id].corrected or {}), **columns} for id, columns in wanted.items()}
            with self.world.platform.warehouse("test") as connection:
                keep_corrections(connection, run, kept)
        return run

    def _held(self, ids: list[int]) -> dict[int, Reject]:
        with self.world.platform.warehouse("test") as connection:
            return rejects_by_id(connection, self.mapping, ids)

    def replay(self, wanted: Mapping[int, Mapping[str, Any]] | bytes | None = None) -> Outcome:
        run = self.upload(wanted) if isinstance(wanted, bytes) else self.request(wanted)
        return replay_rejects(worker(self.world.platform, run), self.mapping)

    def objects(self, *system: str) -> list[tuple[Any, ...]]:
        names = ", ".join(f'"{name}"' for name in (*PROPERTIES, *system))
        return list(self.world.sql(f"SELECT {names} FROM objects.{self.name} ORDER BY code"))

    def change(self, **values: Any) -> None:
        with self.world.platform.catalogue() as session:
            row = Mappings(session).get(self.mapping, lock=True)
            for name, value in values.items():
                setattr(row, name, value)


def mended(content: bytes, right: Mapping[int, Row]) -> bytes:
    """A downloaded file in which somebody has corrected the cell that the reason speaks of, row by row."""
    lines = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    for line in lines:
        column = line["_column"]
        wanted = right[int(line["_row"])][column]
        line[column] = f"'{wanted}" if wanted.startswith("=") else wanted
    text = io.StringIO()
    written = csv.DictWriter(text, list(lines[0]))
    written.writeheader()
    written.writerows(lines)
    return text.getvalue().encode()
