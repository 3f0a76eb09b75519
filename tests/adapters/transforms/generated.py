"""Columns of all types that sources give, and expressions from the grammar, both at random."""

import random
import struct
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

# fmt: off
EXTREME_TEXT = (
    "", " ", "\t\n", "\u00a0x\u00a0", "\ufeff1", "\u0085", "\u2028a", "ß", "İ", "ΑΣ", "ﬁ", "😀", "a😀b", "e\u0301",
    "\x00", "\x1f7", "NaN", "Infinity", "-Infinity", "0x1F", "0b1", "1_000", "1e3", "1E400", "-1e-7", ".5", "5.",
    "+5", "--5", "- 5", "9007199254740993", "12345678901234567890", "0.1", "-0", "-0.0", "00", "007", "-007",
    " 12 ", "12 kg", "12.5kg", "1.2.3", "1,5", "Yes", " n ", "on", "OFF", "t", "1", "0", "-1", "maybe",
    "o'hare AIR 2b", "McDONNELL douglas", '{"a": 1}', "null", "x" * 40,
)
EXTREME_DATES = (
    "2024-02-29", "2023-02-29", "2024-02-30", "2024-06-31", "2024-13-01", "2024-00-10", "2024-01-00",
    "2024-01-01T24:00:00", "2024-01-01T23:59:60", "2024-01-01T00:00:00+01:30", "2024-1-5", "20240105",
    "2024-01-05T10", "2024-01-05T10:00Z", "2024-01-05T10:00:00.1", "2024-01-05T10:00:00.1239999Z", " 2024-01-05 ",
    "2024-01-05T10:00:00z", "3/5/2024", "0099-01-01", "2024-01-05 10:00:00Z", "2024-01-05T1:00:00",
    "2024-01-05 10:00", "2024-01-05T10:00:00.123456789",
)
DOUBLES = (
    0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.1, 1e21, 1e-7, 2.0**53, 0.49999999999999994, 1.7e15, 123456.789,
    float("nan"), float("inf"), -float("inf"), 5e-324, 1.7976931348623157e308, 1e-5, 9.99e-6, 8.64e15, 1e15,
    253402300800000.0, -62135596800001.0,
)
LITERALS = (
    "0", "1", "-1", "2.5", "1e3", "100", '""', '"a"', "' '", '"1"', '"x\\u00e9"', "true", "false", "null",
    "undefined", "NaN", "`t`", "'2024-02-29'", "Infinity",
)
METHODS = (
    "trim()", "toUpperCase()", "toLowerCase()", "slice(1)", "slice(0, 3)", "slice(-2)", "slice(1, -1)",
    "substring(3, 1)", "substring(2)", "startsWith('a')", "endsWith('1')", "includes('-')", "includes('')",
    "replace('-', '/')", "replaceAll('a', 'é')", "charAt(1)", "padStart(6, '0')", "padEnd(3, '*')", "length",
    "toString()", "toISOString()", "getFullYear()", "getMonth()", "getUTCDay()", "getTime()", "toJSON()",
    "getHours()",
)
CALLS = (
    "parseInt({0})", "parseInt({0}, 10)", "parseFloat({0})", "Number({0})", "String({0})", "Boolean({0})",
    "Math.floor({0})", "Math.ceil({0})", "Math.trunc({0})", "Math.abs({0})", "Math.round({0})", "toNumber({0})",
    "toBoolean({0})", "toString({0})", "trim({0})", "upper({0})", "lower({0})", "title({0})", "nullIfEmpty({0})",
    "parseDate({0})", "toISODate({0})", "toISODateTime({0})", "new Date({0})", "new Date({0}).toISOString()",
    "new Date({0}).getFullYear()", "parseJSON({0})",
)
OPERATORS = ("===", "!==", "==", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "%")
TEXT_PARTS = (
    "value", "row.text", "row.plain", "row.money", "row.day", "row.dates", "'a'", "null", "value?.trim()", "undefined",
)
NUMBER_PARTS = ("row.whole", "row.double", "row.big", "row.real", "1", "2.5", "row.plain.length", "row.digits", "null")
# fmt: on
LETTERS = "abcXYZ019 .,-/_éßΣ中😀\u00a0'\n"
Random = random.Random


def text(r: Random) -> str:
    return r.choice((number_text, date_text, lambda r: r.choice(EXTREME_TEXT), _word))(r)


def _word(r: Random) -> str:
    return "".join(r.choices(LETTERS, k=r.randrange(8)))


def number_text(r: Random) -> str:
    return r.choice(
        (
            lambda: str(r.randrange(-(10**6), 10**6)),
            lambda: str(r.randrange(-(10**20), 10**20)),
            lambda: repr(double(r)),
            lambda: f"{r.uniform(-(10**9), 10**9):.3f}",
            lambda: f"{r.uniform(0, 1):.15f}",
        )
    )()


def date_text(r: Random) -> str:
    at = moment(r)
    return r.choice(
        (
            lambda: str(at.date()),
            lambda: f"{r.choice((1999, 2000, 2023, 2024))}-{r.randrange(1, 13):02}-{r.randrange(1, 32):02}",
            at.isoformat,
            lambda: at.isoformat(" ", "seconds"),
            lambda: f"{at.isoformat(timespec='milliseconds')}Z",
            lambda: at.isoformat("T", "minutes"),
            lambda: r.choice(EXTREME_DATES),
        )
    )()


def whole(r: Random) -> int:
    return r.choice((r.randrange(-9, 10), r.randrange(-(2**63), 2**63), 2**53 - 1, 2**53, -(2**53), r.randrange(10**6)))


def double(r: Random) -> float:
    bits = struct.unpack("d", r.randbytes(8))[0]
    return r.choice((r.choice(DOUBLES), bits, r.randrange(-1000, 1000) / 4, float(r.randrange(1000)), r.gauss(0, 1e4)))


def moment(r: Random) -> datetime:
    wide = datetime(1, 1, 2) + timedelta(microseconds=r.randrange(315_000_000_000_000_000))
    near = datetime(1950, 1, 1) + timedelta(seconds=r.randrange(4_000_000_000))
    return r.choice((wide, near, near, wide.replace(microsecond=0)))


def _decimal(r: Random) -> Decimal:
    return Decimal(r.randrange(-(10**9), 10**9)).scaleb(-2)


COLUMNS: dict[str, tuple[pa.DataType, Callable[[Random], Any]]] = {
    "text": (pa.string(), text),
    "digits": (pa.string(), number_text),
    "dates": (pa.string(), date_text),
    "plain": (pa.large_string(), lambda r: r.choice(["alpha", "Beta", " gamma ", "delta-1", "x"])),
    "truth": (pa.bool_(), lambda r: r.random() < 0.5),
    "small": (pa.int16(), lambda r: r.randrange(-(2**15), 2**15)),
    "whole": (pa.int32(), lambda r: whole(r) % 2**31),
    "big": (pa.int64(), whole),
    "unsigned": (pa.uint64(), lambda r: r.randrange(2**64)),
    "real": (pa.float32(), lambda r: struct.unpack("f", r.randbytes(4))[0]),
    "double": (pa.float64(), double),
    "money": (pa.decimal128(12, 2), _decimal),
    "tiny": (pa.decimal128(38, 12), lambda r: r.choice([Decimal("1E-8"), Decimal("-1.5"), Decimal(12)])),
    "day": (pa.date32(), lambda r: date.fromordinal(r.randrange(2, 3_652_059))),
    "moment": (pa.timestamp("us"), moment),
    "instant": (pa.timestamp("us", "UTC"), lambda r: moment(r).replace(tzinfo=UTC)),
    "seconds": (pa.timestamp("s"), lambda r: moment(r).replace(microsecond=0)),
    "clock": (pa.time64("us"), lambda r: time(r.randrange(24), r.randrange(60))),
    "empty": (pa.null(), lambda r: None),
    "list": (pa.list_(pa.int64()), lambda r: [r.randrange(9) for _ in range(r.randrange(3))]),
}


def columns(r: Random, rows: int) -> dict[str, pa.Array]:
    """A batch with a column of each type; some have many nulls, some few, some none."""
    made = {}
    for name, (kind, draw) in COLUMNS.items():
        nulls = r.choice((0, 0.1, 0.5))
        made[name] = pa.array([None if r.random() < nulls else draw(r) for _ in range(rows)], kind)
    return made


def source(r: Random) -> str:
    return r.choice(("value", "value", 'row["text"]', f"row.{r.choice((*COLUMNS, 'absent'))}"))


def expression(r: Random, depth: int = 3) -> str:
    """Any expression of the grammar; most of them mix kinds, and are left to the engine."""
    if depth == 0 or r.random() < 0.15:
        return source(r) if r.random() < 0.7 else r.choice(LITERALS)
    part, other, third = (expression(r, depth - 1) for _ in range(3))
    return r.choice(
        (
            f"({part}).{r.choice(METHODS)}",
            f"({part})?.{r.choice(METHODS)}",
            f"{source(r)}?.{r.choice(METHODS)}.{r.choice(METHODS)}",
            r.choice(CALLS).format(part),
            f"({part} {r.choice(OPERATORS)} {other})",
            f"({part} {r.choice(('&&', '||', '??'))} {other})",
            f"({part} ? {other} : {third})",
            f"{r.choice('!-+')}({part})",
            f"`<${{{part}}}|${{{other}}}>`",
            f"[{part}, {other}].join('-')",
        )
    )


def typed_expression(r: Random) -> str:
    """One of few kinds, so that most of them are compiled."""
    numbers: Sequence[str] = [r.choice(NUMBER_PARTS) for _ in range(2)]
    texts = [r.choice(TEXT_PARTS) for _ in range(2)]
    literal = r.choice(LITERALS)
    return r.choice(
        (
            f"{source(r)} ? {texts[0]} : {texts[1]}",
            f"{numbers[0]} {r.choice(OPERATORS)} {numbers[1]} ? {literal} : null",
            f"{texts[0]} {r.choice(OPERATORS)} {texts[1]}",
            f"{numbers[0]} {r.choice(OPERATORS)} {numbers[1]}",
            f"{texts[0]} {r.choice(OPERATORS)} {numbers[1]}",
            f"({texts[0]})?.{r.choice(METHODS)}",
            f"{source(r)}.{r.choice(METHODS)}",
            r.choice(CALLS).format(r.choice((texts[0], numbers[0], source(r), f"{source(r)}?.slice(0, 4)"))),
            f"{source(r)} {r.choice(('===', '!==', '==', '!='))} {literal}",
            f"{source(r)} {r.choice(('&&', '||', '??'))} {r.choice((source(r), literal))}",
        )
    )
