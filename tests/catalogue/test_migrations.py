import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, inspect

from dataops_defs.adapters.warehouse import migrate as warehouse
from dataops_defs.catalogue import migrate as catalogue


@pytest.fixture(params=["catalogue", "warehouse"])
def alembic(request: pytest.FixtureRequest) -> Config:
    made = {"catalogue": catalogue.config, "warehouse": warehouse.config}[request.param]
    return made(request.getfixturevalue(f"{request.param}_url"))


class TestMigrations:
    def test_up_down_up_and_the_tables_agree_with_the_models(self, alembic: Config) -> None:
        command.upgrade(alembic, "head")
        command.downgrade(alembic, "base")
        command.upgrade(alembic, "head")
        command.check(alembic)

    def test_down_leaves_no_table_behind(self, alembic: Config) -> None:
        command.downgrade(alembic, "base")
        schemas = ("public", "dataops")
        left = {
            name
            for schema in schemas
            for name in inspect(create_engine(alembic.attributes["url"])).get_table_names(schema)
        }
        assert left <= {"alembic_version"}
