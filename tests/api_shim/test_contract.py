"""The routes and the GraphQL documents are what they are meant to be."""

import pytest
from dagster_graphql.schema import create_schema
from graphql import parse, validate

from api_shim.app import create_app
from api_shim.dagster.client import documents
from dataops_defs.settings import Settings

SERVED = """
GET,POST sources
POST sources/test
GET,PATCH,DELETE sources/{source_id}
POST sources/{source_id}/test
GET,POST datasets
POST datasets/preview
GET,PATCH,DELETE datasets/{dataset_id}
POST datasets/{dataset_id}/extract
POST datasets/{dataset_id}/schema/accept
GET datasets/{dataset_id}/preview
GET datasets/{dataset_id}/history
GET datasets/{dataset_id}/rejects
GET,POST object-types
GET,PATCH,DELETE object-types/{object_type}
GET object-types/{object_type}/objects
GET object-types/{object_type}/objects/{key}
POST object-types/{object_type}/plan
GET,POST mappings
POST mappings/preview
POST mappings/suggest
GET pipelines/templates
GET,PATCH,DELETE mappings/{mapping_id}
POST mappings/{mapping_id}/sync
GET mappings/{mapping_id}/rejects
POST mappings/{mapping_id}/rejects/replay
GET,POST pipelines
POST pipelines/validate
GET,PATCH,DELETE pipelines/{pipeline_id}
POST pipelines/{pipeline_id}/execute
GET pipelines/{pipeline_id}/executions
GET events
GET executions
GET executions/{execution_id}
POST executions/{execution_id}/cancel
POST executions/{execution_id}/pause
POST executions/{execution_id}/resume
GET,POST tokens
DELETE tokens/{token_id}
GET secrets
PUT,DELETE secrets/{name}
GET,PUT sources/{source_id}/grants
GET audit
GET,POST alerts
GET,PATCH,DELETE alerts/{alert_id}
GET alerts/{alert_id}/deliveries
"""
FAMILY = "/api/v1/dataops/"


@pytest.fixture(scope="module")
def openapi() -> dict[str, object]:
    return create_app(Settings(_env_file=None)).openapi()  # type: ignore[call-arg]


class TestOpenApi:
    def test_lists_exactly_the_routes_of_the_family(self, openapi: dict[str, dict[str, dict[str, object]]]) -> None:
        wanted = {}
        for line in SERVED.strip().splitlines():
            methods, path = line.split()
            wanted[FAMILY + path] = set(methods.split(","))

        served = {
            path: {method.upper() for method in item}
            for path, item in openapi["paths"].items()
            if path.startswith(FAMILY)
        }

        assert served == wanted

    def test_shows_the_documents_examples(self, openapi: dict[str, dict[str, dict[str, dict[str, object]]]]) -> None:
        schemas = openapi["components"]["schemas"]

        for name in ("SourceCreate", "DatasetCreate", "ObjectTypeCreate", "MappingCreate", "PipelineCreate"):
            assert schemas[name]["examples"], name
        assert "Aircraft Master DB" in str(schemas["SourceCreate"]["examples"])

    def test_says_that_a_token_is_asked_for(self, openapi: dict[str, dict[str, dict[str, dict[str, object]]]]) -> None:
        asked = {tuple(each) for each in openapi["paths"]["/api/v1/dataops/sources"]["get"]["security"]}  # type: ignore[union-attr]

        assert asked == {("HTTPBearer",), ("APIKeyHeader",)}
        assert "security" not in openapi["paths"]["/health"]["get"]


class TestGraphQl:
    @pytest.mark.parametrize("name", list(documents()))
    def test_every_document_fits_dagsters_schema(self, name: str) -> None:
        schema = create_schema().graphql_schema

        assert validate(schema, parse(documents()[name])) == []
