"""What the transforms of a mapping ask of the engine: texts to compile, and columns to look at."""

from collections.abc import Collection, Mapping, Sequence

from dataops_defs.domain.transform import Transform, function_name, needs_row, source_text
from dataops_defs.errors import FieldProblem, InvalidTransform


def columns_used(
    transforms: Collection[Transform], columns: Mapping[str, Sequence[object]], row: Sequence[str] | None
) -> tuple[Mapping[str, Sequence[object]], Sequence[str] | None]:
    """The columns that the transforms look at, and the names of those that make up ``row``, if one of them does."""
    for each in transforms:
        if each.source_column not in columns:
            raise InvalidTransform.field(each.property, f"the data has no column '{each.source_column}'")
    if any(needs_row(each.expression or "") for each in transforms):
        return columns, list(columns) if row is None else row
    return {each.source_column: columns[each.source_column] for each in transforms}, None


def compilable(transforms: Sequence[Transform]) -> list[tuple[str, str, str]]:
    """Source column, function name and source text of each, one of the last two empty."""
    ready, problems = [], []
    for each in transforms:
        text = each.expression or ""
        try:
            name = function_name(text)
            ready.append((each.source_column, name or "", "" if name else source_text(text)))
        except InvalidTransform as error:
            problems.append(FieldProblem(each.property, error.fields[0].message))
    if problems:
        raise InvalidTransform(f"{problems[0].field}: {problems[0].message}", problems)
    return ready
