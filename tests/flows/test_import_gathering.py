"""Files that are gathered in one table."""

import pytest

from dataops_defs.domain.importing import LoadMode, TargetFormat
from dataops_defs.errors import Conflict
from dataops_defs.flows.import_file import import_file
from dataops_defs.flows.import_lake import lake_of
from tests.flows.import_scenes import asked, imported, put
from tests.scenes import World

IN = [TargetFormat.POSTGRES, TargetFormat.ICEBERG]


def columns(world: World, format: TargetFormat) -> list[str]:
    if format is TargetFormat.ICEBERG:
        return [each.name for each in lake_of(world.platform).open().load_table("raw.all").schema().fields]
    return [
        name
        for (name,) in world.sql("SELECT attname FROM pg_attribute WHERE attrelid = 'raw.all'::regclass AND attnum > 0")
    ]


@pytest.mark.parametrize("format", IN)
@pytest.mark.parametrize("content", ["3,Cid\n4,Dan\n", '[{"key": 3}]'])
def test_one_that_shares_no_column_with_the_table_is_not_taken(
    world: World, format: TargetFormat, content: str
) -> None:
    gathered = {"format": format, "mode": LoadMode.APPEND}
    imported(world, put(world, "a.csv", "id,name\n1,Ann\n"), "all", **gathered)

    other = put(world, "b.csv" if content[0] == "3" else "b.json", content)
    with pytest.raises(Conflict, match=r"raw.all has the columns id, name, and the file has none of them but"):
        import_file(world.work(), asked(world, other, "all", **gathered))

    assert columns(world, format) == ["id", "name"]


@pytest.mark.parametrize("format", IN)
def test_one_that_has_more_columns_brings_them(world: World, format: TargetFormat) -> None:
    gathered = {"format": format, "mode": LoadMode.APPEND}
    imported(world, put(world, "a.csv", "id,name\n1,Ann\n"), "all", **gathered)
    imported(world, put(world, "b.csv", "id,city\n2,Rome\n"), "all", **gathered)

    assert columns(world, format) == ["id", "name", "city"]
