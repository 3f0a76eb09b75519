"""What is matched: columns of a dataset, properties of an object type, and a suggestion between two of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
# Texts -> one unit vector a text, so that a product is the cosine of the angle between two meanings.
Embed = Callable[[Sequence[str]], NDArray[Any]]


@dataclass(frozen=True)
class SourceField:
    """A column: its name, its type in whatever words its source has, and some of its values as text."""

    name: str
    type: str = ""
    samples: Sequence[str] = ()


@dataclass(frozen=True)
class TargetField:
    """A property: dotted path for nested ones, type, JSON Schema format, description, and the values it allows."""

    name: str
    type: str = ""
    description: str = ""
    format: str = ""
    choices: Sequence[str] = ()


@dataclass(frozen=True)
class Suggestion:
    """A property that a column may become; ``confidence`` is 0 to 1, 0.5 and more means "likely right"."""

    column: str
    property: str
    confidence: float
    evidence: Sequence[str]
