"""The check of tables that imports make: whether rows of their files are rejected that nobody has repaired yet."""

from collections.abc import Iterator, Mapping

import dagster as dg

from dataops_defs.adapters.warehouse.loaded_files import open_rejects
from dataops_defs.defs.resources import PlatformResource
from dataops_defs.defs.specs import asset_key
from dataops_defs.domain import naming
from dataops_defs.flows.import_found import ACCEPTED

NO_OPEN_REJECTS = "No row of its files is rejected, or all of them were repaired"


def import_check(targets: Mapping[naming.AssetPath, str]) -> dg.AssetChecksDefinition:
    """One for all tables: imports tell its result themselves, and it can be evaluated at any time.

    Made without Dagster's decorator, which cannot name the outputs of all tables that imports can.

    Args:
        targets: by asset key, the table as the books of imports name it.
    """
    by_key = {asset_key(path): target for path, target in targets.items()}
    names = {path: naming.plain_name(path) for path in targets}

    @dg.op(
        name="rejects_of_imports",
        ins={names[path]: dg.In(dg.Nothing) for path in targets},
        out={names[path]: dg.Out(None, is_required=False) for path in targets},
    )
    def check(context: dg.AssetCheckExecutionContext, platform: PlatformResource) -> Iterator[dg.AssetCheckResult]:
        asked = sorted(context.selected_asset_check_keys)
        with platform.open().warehouse("dataops check") as connection:
            rejected = open_rejects(connection, [by_key[each.asset_key] for each in asked])
        for each in asked:
            count = rejected.get(by_key[each.asset_key], 0)
            yield dg.AssetCheckResult(
                asset_key=each.asset_key,
                check_name=each.name,
                passed=count == 0,
                description=f"{count} rejected rows are open" if count else "No rejected row is open",
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"open": count},
            )

    made: dg.AssetChecksDefinition = dg.AssetChecksDefinition.create(
        node_def=check,
        keys_by_input_name={names[path]: asset_key(path) for path in targets},
        check_specs_by_output_name={
            name: dg.AssetCheckSpec(ACCEPTED, asset=asset_key(path), description=NO_OPEN_REJECTS)
            for path, name in names.items()
        },
        can_subset=True,
    )
    return made
