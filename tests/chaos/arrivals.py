"""Files that arrive in a watched folder and are appended to a table without a key: twice would be seen."""

from collections.abc import Iterator, Mapping, Sequence
from random import Random

import psycopg2

from dataops_defs.catalogue.database import catalogue_session
from dataops_defs.catalogue.watch_rows import WatchRow
from dataops_defs.catalogue.watches import Watches
from tests.chaos.clients import Request
from tests.chaos.place import Place
from tests.chaos.verdicts import Harm, Verdict

FOLDER = "chaos/arrivals"
ROWS = 2_000
TICKS_A_FILE = 6
COUNTS = "SELECT file, count(*), count(DISTINCT line) FROM raw.chaos_arrivals GROUP BY file"


class Arrivals:
    """A file every few seconds; the sensor launches its import."""

    def __init__(self) -> None:
        self._files: list[int] = []

    def prepare(self, place: Place) -> None:
        """An empty watched folder. No REST request makes one yet, hence the product's own repository."""
        (place.home / "files" / FOLDER).mkdir(parents=True, exist_ok=True)
        row = WatchRow(name="Chaos arrivals", app="chaos", folder=FOLDER, target_table="chaos_arrivals")
        row.patterns = [{"pattern": "*.csv"}]
        with catalogue_session(place.urls["catalogue"].replace("postgresql:", "postgresql+psycopg2:", 1)) as session:
            Watches(session).add(row)

    def request(self, chance: Random) -> Request | None:
        """None: nobody asks for these imports."""
        return None

    def tend(self, place: Place, tick: int) -> None:
        """Let a file appear, whole, under its name."""
        if tick % TICKS_A_FILE:
            return
        number = len(self._files) + 1
        folder = place.home / "files" / FOLDER
        partial = folder.parent / f"arriving_{number}"
        lines = (f"{number},{line},text {number} {line}" for line in range(ROWS))
        partial.write_text("file,line,content\n" + "\n".join(lines) + "\n")
        partial.rename(folder / f"part_{number:04}.csv")
        self._files.append(number)

    def closing(self) -> Sequence[Sequence[Request]]:
        """Nothing to ask for."""
        return []

    def busy(self, place: Place) -> int:
        """Files that nobody has dealt with yet."""
        waiting = "('settling', 'pending', 'importing')"
        done = f"SELECT count(*) FROM watched_file WHERE path LIKE %s AND status NOT IN {waiting}"
        return len(self._files) - int(place.ask("catalogue", done, f"{FOLDER}/%")[0][0])

    def figures(self, place: Place) -> Mapping[str, object]:
        """How much was done."""
        return {"files that arrived": len(self._files)}

    def verdicts(self, place: Place) -> Iterator[Verdict]:
        """Every file's rows are in the table once."""
        verdict = Verdict("each arrived file is in its table once, whole")
        try:
            found = {file: (rows, lines) for file, rows, lines in place.ask("warehouse", COUNTS)}
        except psycopg2.errors.UndefinedTable:
            found = {}
        for number in self._files:
            rows, lines = found.get(number, (0, 0))
            if lines < ROWS:
                verdict.broken(
                    Harm.LOST, f"file {number} has {lines} of {ROWS} rows ({self._state(place, number)})", ROWS - lines
                )
            if rows > lines:
                verdict.broken(Harm.TWICE, f"file {number} has {rows} rows of {ROWS}", rows - lines)
        yield verdict

    @staticmethod
    def _state(place: Place, number: int) -> str:
        query = "SELECT status || coalesce(': ' || error, '') FROM watched_file WHERE path LIKE %s"
        states = place.ask("catalogue", query, f"%/part_{number:04}.csv")
        return "; ".join(state for (state,) in states) or "never noticed"
