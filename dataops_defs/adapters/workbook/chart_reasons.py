"""Why a table gives no chart, in words for those who asked for one."""

from collections.abc import Sequence

from dataops_defs.adapters.workbook.gathering import Gathering
from dataops_defs.adapters.workbook.groups import MOST_GROUPS
from dataops_defs.adapters.workbook.serials import CALENDAR
from dataops_defs.domain.export import ChartType

NOTHING_TO_DRAW = "There is nothing to draw here"


def nothing_because(gathered: Gathering, wanted: Sequence[ChartType]) -> str:
    """One sentence, where none of the wanted charts could be made of the table."""
    return f"{NOTHING_TO_DRAW}: {_reason(gathered, list(wanted))}"


def _reason(gathered: Gathering, wanted: list[ChartType]) -> str:
    if not gathered.rows:
        return "there are no rows"
    if not (gathered.measures or gathered.time or gathered.dimensions):
        return "a chart needs a column with numbers, a time or names"
    if wanted == [ChartType.SCATTER]:
        return _no_points(gathered)
    if wanted == [ChartType.PIE] and not gathered.dimensions:
        return "a pie shares numbers out by names, and there is no column with names; a line or bars can show these"
    crowded = [name for name, groups in gathered.groups.items() if groups.too_many]
    if crowded:
        return f"'{crowded[0]}' has more than {MOST_GROUPS:,} different values; group them in the query"
    if gathered.measures and not (gathered.time or gathered.dimensions):
        return "beside its numbers a chart needs a column with times or names"
    if gathered.periods.beyond:
        return f"no row has a '{gathered.time}' within Excel's calendar ({CALENDAR})"
    if gathered.measures and not gathered.filled:
        return "no row has a number"
    return "no two rows share a name or a time, and there are no numbers to compare"


def _no_points(gathered: Gathering) -> str:
    filled = len(gathered.filled)
    if filled < 2:
        return f"points need two columns with numbers, and there is {'one' if filled else 'none'}"
    return "no row has both of the numbers that make a point"
