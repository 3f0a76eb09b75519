"""What the queries of datamarts and pipelines read, as asset keys."""

from collections.abc import Mapping
from typing import Any

from dataops_defs.domain import naming
from dataops_defs.domain.etl import EtlTarget

Row = Mapping[str, Any]


class Upstream:
    """Of the sound rows of a state, by kind and id."""

    def __init__(self, rows: Mapping[str, Mapping[str, Row]]) -> None:
        self._datamarts = list(rows.get("datamarts", {}).values())
        self._pipelines = list(rows.get("etl_pipelines", {}).values())
        self._types = {each["slug"]: each for each in rows.get("object_types", {}).values()}

    def of(self, row: Row) -> list[naming.AssetPath]:
        """What a datamart or a pipeline reads."""
        return [self._path(table["schema"], table["table"]) for table in row["upstream"]]

    def of_pipeline(self, row: Row) -> list[naming.AssetPath]:
        """What a pipeline reads, but for what is made of its own target: Dagster refuses circles."""
        below: dict[naming.AssetPath, set[naming.AssetPath]] = {}
        for each in self._pipelines:
            for path in self.of(each):
                below.setdefault(path, set()).add(_target_of(each))
        for each in self._datamarts:
            for path in self.of(each):
                below.setdefault(path, set()).add(naming.table_key(each["schema"], each["slug"]))
        made_of_target, waiting = set(), [_target_of(row)]
        while waiting:
            path = waiting.pop()
            if path not in made_of_target:
                made_of_target.add(path)
                waiting += below.get(path, ())
        return [path for path in self.of(row) if path not in made_of_target]

    def tables(self) -> list[naming.AssetPath]:
        """All tables of the warehouse that are read, but for those of object types; each once."""
        found = dict.fromkeys(path for row in [*self._datamarts, *self._pipelines] for path in self.of(row))
        return [path for path in found if path[0] == naming.WAREHOUSE]

    def _path(self, schema: str, table: str) -> naming.AssetPath:
        kind = self._types.get(table) if schema == "objects" else None
        return naming.object_type_key(kind["app"], kind["slug"]) if kind else naming.table_key(schema, table)


def _target_of(row: Row) -> naming.AssetPath:
    target = EtlTarget.of(row["target_table"])
    return naming.target_key(target.schema, target.name)
