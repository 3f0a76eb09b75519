"""Parts of the official Elasticsearch client made to measure; importing this imports the client."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

from elastic_transport import HttpHeaders, Urllib3HttpNode
from elastic_transport._node import NodeApiResponse
from elastic_transport.client_utils import DEFAULT, DefaultType
from elasticsearch.serializer import CompatibilityModeJsonSerializer, JsonSerializer


class ExactJson(JsonSerializer):
    """Reads fractions as decimals, so that documents come back with the digits they went with."""

    def json_loads(self, data: bytes) -> Any:
        """The value of a JSON text."""
        return json.loads(data, parse_float=Decimal)


class ExactCompatibleJson(ExactJson, CompatibilityModeJsonSerializer):
    """The same under Elasticsearch's own media type."""


EXACT_SERIALIZERS = {each.mimetype: each() for each in (ExactJson, ExactCompatibleJson)}


class PlainJsonNode(Urllib3HttpNode):
    """For servers that speak the REST API but refuse the client's media types, such as OpenSearch.

    The client also looks in each answer for a header by which Elasticsearch names itself, and works with nothing
    else. Whoever sets ``DATAOPS_ELASTICSEARCH_COMPATIBLE`` has said that the server is another one and that this is
    meant; their word is put in the header's place.
    """

    def perform_request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: HttpHeaders | None = None,
        request_timeout: DefaultType | float | None = DEFAULT,
    ) -> NodeApiResponse:
        """The request with plain media types, the answer with the product's header."""
        plain = HttpHeaders(headers or {})
        for name in ("accept", "content-type"):
            if name in plain:
                plain[name] = "application/x-ndjson" if "ndjson" in plain[name] else "application/json"
        answer = super().perform_request(method, target, body=body, headers=plain, request_timeout=request_timeout)
        named = HttpHeaders({**answer.meta.headers, "x-elastic-product": "Elasticsearch"})
        return NodeApiResponse(replace(answer.meta, headers=named), answer.body)
