"""Number formats by how large numbers are: none shows as zero or as ``###`` what is neither."""

from collections.abc import Iterable, Sequence
from enum import Enum

HUGE, TINY = 1e15, 1e-6
"""From here on, and down to here, digits are counted rather than written: 1.00E+300."""
_FEW = 10
_FAR_APART, _TOO_FAR = 10, 20
_WHOLE, _PART, _FAR = "#,##0", "#,##0.0#########", "0.0E+00"


class Axis(Enum):
    """Where the numbers of a series stand."""

    LEFT = "left"
    RIGHT = "right"


def axes_of(series: Iterable[Sequence[float | None]]) -> list[Axis | None]:
    """Where series can be seen beside each other: those that would lie flat on the ground beside the largest stand at
    the right; None for one that would lie flat there, too.
    """
    sizes = [max((abs(each) for each in numbers if each is not None), default=0.0) for numbers in series]
    largest = max(sizes, default=0.0)
    small = max((each for each in sizes if each * _FAR_APART < largest), default=0.0)

    def axis(size: float) -> Axis | None:
        if size == 0 or size * _FAR_APART >= largest:
            return Axis.LEFT
        return Axis.RIGHT if size * _TOO_FAR >= small else None

    return [axis(each) for each in sizes]


def is_far(number: float) -> bool:
    """Whether a number has too many zeros, before or behind the point, to be read."""
    return number != 0 and not TINY <= abs(number) < HUGE


def figure_style(number: float) -> str:
    """The style of a single figure that stands for itself."""
    if is_far(number):
        return "figure_far"
    if float(number).is_integer():
        return "figure"
    return "figure_part" if abs(number) >= 1 else "figure_small"


def axis_format(numbers: Iterable[float | None], *, from_zero: bool) -> str:
    """The format of an axis along which those numbers stand; with decimals where its marks are close together."""
    known = [each for each in numbers if each is not None]
    largest = max(map(abs, known), default=0.0)
    apart = largest if from_zero or not known else max(known) - min(known)
    if is_far(largest) or is_far(apart):
        return _FAR
    return _PART if (apart or largest) < _FEW else _WHOLE
