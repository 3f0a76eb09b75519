"""An export: rows of the warehouse as an Excel workbook, for a person to take away. Source: document 000, "Excel Export
Service"."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

LONGEST_FILE_NAME = 120
SUFFIX = ".xlsx"
# What file systems refuse, and what only pretends to be letters (bidirectional marks turn a name round).
_UNFIT = re.compile(r'[<>:"/\\|?*%;]+')
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)


class ExportKind(StrEnum):
    """What is exported."""

    QUERY = "query"
    DATAMART = "datamart"
    REPORT = "report"


class ChartType(StrEnum):
    """Charts that are drawn."""

    BAR = "bar"
    LINE = "line"
    PIE = "pie"
    SCATTER = "scatter"


class Template(StrEnum):
    """How a workbook looks."""

    CORPORATE = "corporate"
    PLAIN = "plain"


class SectionType(StrEnum):
    """What a part of a report is."""

    SUMMARY = "summary"
    TABLE = "table"
    CHART = "chart"


@dataclass(frozen=True)
class Section:
    """One part of a workbook: ``values`` of a summary, by label; the ``query`` of a table or chart.

    ``of`` says in a person's words what the query is about, where that is not the query itself.
    """

    name: str
    type: SectionType
    query: str | None = None
    of: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    chart: ChartType | None = None


@dataclass(frozen=True)
class Wanted:
    """What somebody asked for; ``charts`` are the types of charts on the sheet of that name, none for no such sheet."""

    kind: ExportKind
    title: str
    sections: Sequence[Section]
    template: Template = Template.CORPORATE
    max_rows: int | None = None
    summary: bool = False
    charts: Sequence[ChartType] = ()

    def field_of(self, section: Section) -> str | None:
        """Where the request says what that section reads; None where the platform itself put the query together."""
        if self.kind is ExportKind.QUERY:
            return "data_source.query"
        place = next((number for number, each in enumerate(self.sections) if each is section), None)
        if self.kind is not ExportKind.REPORT or place is None:
            return None
        return f"sections.{place}.{'data_source' if section.type is SectionType.CHART else 'query'}"

    def as_json(self) -> dict[str, Any]:
        """The form that is kept."""
        return {**asdict(self), "sections": [asdict(each) for each in self.sections], "charts": list(self.charts)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Wanted":
        """What was kept in that form."""
        sections = [
            Section(
                **{
                    **each,
                    "type": SectionType(each["type"]),
                    "chart": ChartType(each["chart"]) if each["chart"] else None,
                }
            )
            for each in value["sections"]
        ]
        return cls(
            **{
                **value,
                "kind": ExportKind(value["kind"]),
                "sections": sections,
                "template": Template(value["template"]),
                "charts": [ChartType(each) for each in value["charts"]],
            }
        )


def file_name(wanted: str, fallback: str = "export") -> str:
    """A file name that every system takes, with ``.xlsx`` once at its end."""
    name = unicodedata.normalize("NFC", wanted)
    name = "".join(each for each in name if unicodedata.category(each)[0] != "C")
    name = " ".join(_UNFIT.sub("_", name).split())
    stem = name[: -len(SUFFIX)] if name.lower().endswith(SUFFIX) else name
    stem = stem.strip(". ")[:LONGEST_FILE_NAME].rstrip(". ")
    if _DEVICES.fullmatch(stem):
        stem = f"_{stem}"
    return f"{stem or fallback}{SUFFIX}"


def datamart_file_name(datamart: str, day: date) -> str:
    """As document 000 prints it: ``customer_360_datamart_2024_06_30.xlsx``."""
    return file_name(f"{datamart}_{day:%Y_%m_%d}")
