"""The tables at the end, and the status to leave with."""

import statistics
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests.chaos.recovery import Recovery
from tests.chaos.targets import WORKER
from tests.chaos.verdicts import Harm, Verdict

MOST_CASES = 12


def print_report(
    console: Console, verdicts: Sequence[Verdict], recoveries: Sequence[Recovery], figures: dict[str, object]
) -> None:
    """Everything that was found out."""
    for verdict in verdicts:
        console.print(f"[green]kept[/]    {verdict.promise}" if verdict.kept else f"[red]BROKEN[/]  {verdict.promise}")
        for case in verdict.cases[:MOST_CASES]:
            console.print(f"          {case}", markup=False, style="dim")
        if len(verdict.cases) > MOST_CASES:
            console.print(f"          … and {len(verdict.cases) - MOST_CASES} more", style="dim")
    console.print(_kills(recoveries))
    console.print(_figures(verdicts, figures))


def _figures(verdicts: Sequence[Verdict], figures: dict[str, object]) -> Table:
    table = Table(title="Figures", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in figures.items():
        table.add_row(name, str(value))
    harms: Counter[Harm] = Counter()
    for verdict in verdicts:
        harms.update(verdict.harms)
    for harm in Harm:
        table.add_row(str(harm), str(harms[harm]), style="red" if harms[harm] else "green")
    return table


def _kills(recoveries: Sequence[Recovery]) -> Table:
    table = Table(title="Kills, and seconds until it was well again", title_justify="left")
    for name in ("killed", "what is measured", "kills", "well", "median", "max"):
        table.add_column(name, justify="left" if name in ("killed", "what is measured") else "right")
    for kind in dict.fromkeys(each.kind for each in recoveries):
        those = [each for each in recoveries if each.kind == kind]
        if kind != WORKER:
            _row(table, kind, "serves again", those, [each.back for each in those])
            continue
        known = [each for each in those if each.dagster_run]
        if unknown := len(those) - len(known):
            table.add_row(kind, "nobody knew its run yet", str(unknown))
        _row(table, kind, "Dagster shows its run as ended", known, [each.noticed for each in known])
        recorded = [each for each in those if each.record]
        _row(table, "", "its record is continued", recorded, [each.continued for each in recorded])
    return table


def _row(table: Table, kind: str, measured: str, those: Sequence[Recovery], values: Sequence[float | None]) -> None:
    well = [value for value in values if value is not None]
    median, most = (f"{statistics.median(well):.1f}", f"{max(well):.1f}") if well else ("", "")
    style = "" if len(well) == len(those) else "red"
    table.add_row(kind, measured, str(len(those)), str(len(well)), median, most, style=style)
