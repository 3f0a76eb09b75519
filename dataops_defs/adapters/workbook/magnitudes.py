"""Number formats by how large numbers are: none shows as zero or as ``###`` what is neither."""

from collections.abc import Iterable

HUGE, TINY = 1e15, 1e-6
"""From here on, and down to here, digits are counted rather than written: 1.00E+300."""
_FEW = 10
_WHOLE, _PART, _FAR = "#,##0", "#,##0.0#########", "0.0E+00"


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
