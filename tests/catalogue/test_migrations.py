import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, inspect, text

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

    def test_versions_of_datamarts_that_only_a_comment_told_of_are_noted(self, warehouse_url: str) -> None:
        alembic, id = warehouse.config(warehouse_url), "01a200ad-50bd-7901-85f1-3de592d3ee5c"
        command.downgrade(alembic, "a7d3c05e9b18")
        with create_engine(alembic.attributes["url"]).begin() as connection:
            for name, comment in (
                ("kept__v1", f"dataops datamart version {id}"),
                ("other", "dataops datamart version 2"),
            ):
                connection.execute(
                    text(f"CREATE TABLE public.{name} (); COMMENT ON TABLE public.{name} IS '{comment}'")
                )

        command.upgrade(alembic, "head")

        with create_engine(alembic.attributes["url"]).begin() as connection:
            noted = connection.execute(
                text("SELECT version_id::text, relation::text FROM dataops.datamart_version")
            ).all()
        assert [tuple(each) for each in noted] == [(id, "kept__v1")]
