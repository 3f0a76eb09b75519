"""Objects as items of DynamoDB: nothing loses a digit, and what DynamoDB could not hold is told before it is tried.

Source: Amazon DynamoDB Developer Guide, "Supported data types", "Constraints", "Item sizes and formats".
"""

import base64
from collections.abc import Mapping
from decimal import Context, Decimal
from typing import Any

Attribute = dict[str, Any]
Item = dict[str, Attribute]

MAX_ITEM_BYTES = 400 * 1024
MAX_DIGITS = 38
MAX_EXPONENT, MIN_EXPONENT = 125, -130
MAX_DEPTH = 32
_EXACT = Context(prec=2_000)


def attribute(value: Any, depth: int = 1) -> Attribute:
    """A JSON value as an attribute; ValueError says why it cannot be one.

    Args:
        value: None, bool, int, Decimal, str, a list or a dict of these; no float, which would have lost digits.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"is nested deeper than the {MAX_DEPTH} levels that DynamoDB keeps")
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int() | Decimal():
            return {"N": number_text(Decimal(value))}
        case list():
            return {"L": [attribute(each, depth + 1) for each in value]}
        case dict():
            if "" in value:
                raise ValueError("has an empty name inside, which DynamoDB does not keep")
            return {"M": {name: attribute(each, depth + 1) for name, each in value.items()}}
    raise TypeError(f"no JSON value: {type(value).__name__}")


def number_text(number: Decimal) -> str:
    """A number in the one form that equal numbers share."""
    plain = number.normalize(_EXACT)
    if len(plain.as_tuple().digits) > MAX_DIGITS:
        raise ValueError(f"has more than the {MAX_DIGITS} digits that DynamoDB keeps")
    if plain and not MIN_EXPONENT <= plain.adjusted() <= MAX_EXPONENT:
        raise ValueError("is beyond the numbers that DynamoDB keeps")
    return str(plain if plain else Decimal(0))


def canonical(found: Attribute) -> Attribute:
    """An attribute as it was read, in the form that ``attribute`` gives, to be compared."""
    [(kind, value)] = found.items()
    if kind == "N":
        return {"N": number_text(Decimal(value))}
    if kind == "L":
        return {"L": [canonical(each) for each in value]}
    if kind == "M":
        return {"M": {name: canonical(each) for name, each in value.items()}}
    return found


def json_of(found: Attribute) -> Any:
    """The JSON value of an attribute: numbers are ints and Decimals, sets are lists, bytes are base64."""
    [(kind, value)] = found.items()
    match kind:
        case "NULL":
            return None
        case "N":
            return _number(value)
        case "L":
            return [json_of(each) for each in value]
        case "M":
            return {name: json_of(each) for name, each in value.items()}
        case "NS":
            return [_number(each) for each in value]
        case "B":
            return base64.b64encode(value).decode()
        case "BS":
            return [base64.b64encode(each).decode() for each in value]
    return list(value) if kind == "SS" else value


def _number(text: str) -> int | Decimal:
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() and number.adjusted() < MAX_DIGITS else number


def item_bytes(item: Mapping[str, Attribute]) -> int:
    """How much of the 400 KB of an item this one takes, at most."""
    return sum(len(name.encode()) + _bytes(each) for name, each in item.items())


def _bytes(found: Attribute) -> int:
    [(kind, value)] = found.items()
    match kind:
        case "S":
            return len(value.encode())
        case "N":
            return len(value) // 2 + 3
        case "L":
            return 3 + sum(1 + _bytes(each) for each in value)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _bytes(each) for name, each in value.items())
    return 1 if kind in ("BOOL", "NULL") else sum(len(each) for each in value)
