"""A table of DynamoDB: made when missing, read and written in batches, patient with a server that slows us down.

Source: Amazon DynamoDB API Reference, BatchGetItem, BatchWriteItem, Scan; "Error retries and exponential backoff".
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_random_exponential

from dataops_defs.adapters.objects.dynamodb.items import Item
from dataops_defs.errors import Conflict, DataOpsError, DependencyUnavailable

Part = TypeVar("Part")
READ_AT_ONCE, WRITTEN_AT_ONCE = 100, 25
CONNECTIONS = 4
MAX_KEY_BYTES = 2_048
PATIENCE_SECONDS = 60.0
REGION = "us-east-1"
MISSING = "ResourceNotFoundException"
# Nothing that trying again would mend.
FINAL = frozenset(
    {
        "AccessDeniedException",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
        "ValidationException",
    }
)


@lru_cache(maxsize=4)
def client_of(endpoint: str | None) -> Any:
    """A client of the server, for all threads of this process: making one takes longer than most requests."""
    session = boto3.Session()
    config = Config(
        connect_timeout=10,
        read_timeout=30,
        retries={"max_attempts": 8, "mode": "standard"},
        max_pool_connections=2 * CONNECTIONS,
    )
    region = session.region_name or REGION
    return session.client("dynamodb", endpoint_url=endpoint, region_name=region, config=config)


class DynamoTable:
    """One table whose only key is ``key``; its values are texts, or numbers (``N``)."""

    def __init__(self, name: str, key: str, key_type: str, endpoint: str | None) -> None:
        """Nothing is asked yet.

        Args:
            endpoint: URL of a server that speaks DynamoDB's protocol; None for AWS. Credentials and region are found
                as boto3 finds them.
        """
        self.name, self.key, self._key_type = name, key, key_type
        self._client = client_of(endpoint)

    def key_of(self, value: Any) -> Item:
        """A key as DynamoDB takes it; times are kept as PostgreSQL writes them."""
        moment = value.astimezone(UTC) if isinstance(value, datetime) else value
        return {self.key: {self._key_type: moment.isoformat() if isinstance(moment, date) else str(moment)}}

    def can_have(self, key: Any) -> bool:
        """Whether DynamoDB would take such a key at all."""
        return 0 < len(str(key).encode()) <= MAX_KEY_BYTES

    def exists(self) -> bool:
        """Whether the table is there.

        Raises:
            Conflict: it has another key.
        """
        with errors():
            found = _nothing_if_missing(lambda: self._client.describe_table(TableName=self.name))
        if not found:
            return False
        table = found["Table"]
        types = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}
        keys = [(each["AttributeName"], types[each["AttributeName"]]) for each in table["KeySchema"]]
        if keys != [(self.key, self._key_type)]:
            shown = ", ".join(f"{name} ({kind})" for name, kind in keys)
            raise Conflict(f"DynamoDB table '{self.name}' has the key {shown}, not {self.key} ({self._key_type})")
        return True

    def ensure(self) -> None:
        """Make the table, paid by request, when it is missing, and wait until it can be used."""
        if self.exists():
            return
        with errors():
            try:
                self._client.create_table(
                    TableName=self.name,
                    AttributeDefinitions=[{"AttributeName": self.key, "AttributeType": self._key_type}],
                    KeySchema=[{"AttributeName": self.key, "KeyType": "HASH"}],
                    BillingMode="PAY_PER_REQUEST",
                )
            except ClientError as error:
                if _code(error) != "ResourceInUseException":
                    raise
            waiter = self._client.get_waiter("table_exists")
            waiter.wait(TableName=self.name, WaiterConfig={"Delay": 1, "MaxAttempts": int(PATIENCE_SECONDS)})

    def get(self, key: Any) -> Item | None:
        """One item, as it was last written."""
        request = {"TableName": self.name, "Key": self.key_of(key), "ConsistentRead": True}
        with errors():
            found = _nothing_if_missing(lambda: self._client.get_item(**request))
        item: Item | None = found.get("Item")
        return item

    def get_many(self, keys: Sequence[Any]) -> dict[str, Item]:
        """The items of some keys, by the text of the key; those that are missing are left out."""
        parts = list(_parts([self.key_of(key) for key in keys], READ_AT_ONCE))
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            found = [item for items in pool.map(self._get_batch, parts) for item in items]
        return {next(iter(item[self.key].values())): item for item in found}

    def scan(self, after: Any = None, **more: Any) -> Iterator[Sequence[Item]]:
        """All items in DynamoDB's own order, a page of at most 1 MB at a time; none of a missing table.

        Args:
            after: the key after which to begin.
            more: further words of the request.
        """
        request: dict[str, Any] = {"TableName": self.name, "ConsistentRead": True, **more}
        if after is not None:
            request["ExclusiveStartKey"] = self.key_of(after)
        while True:
            with errors():
                page = _nothing_if_missing(lambda: self._client.scan(**request))
            yield page.get("Items", [])
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def write(self, puts: Sequence[Item], deletes: Sequence[Item]) -> None:
        """Put items and delete keys, each on its own: there is no transaction over them."""
        requests = [{"PutRequest": {"Item": item}} for item in puts]
        requests += [{"DeleteRequest": {"Key": key}} for key in deletes]
        parts = list(_parts(requests, WRITTEN_AT_ONCE))
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(self._write_batch, parts))

    def _get_batch(self, keys: Sequence[Item]) -> list[Item]:
        wanted: Mapping[str, Any] = {self.name: {"Keys": keys, "ConsistentRead": True}}
        found: list[Item] = []

        def ask() -> bool:
            nonlocal wanted
            request = wanted
            with errors():
                answer = _nothing_if_missing(lambda: self._client.batch_get_item(RequestItems=request))
            found.extend(answer.get("Responses", {}).get(self.name, []))
            wanted = answer.get("UnprocessedKeys", {})
            return bool(wanted)

        _until_done(ask)
        return found

    def _write_batch(self, requests: Sequence[Mapping[str, Any]]) -> None:
        left: Mapping[str, Any] = {self.name: requests}

        def ask() -> bool:
            nonlocal left
            with errors():
                left = self._client.batch_write_item(RequestItems=left).get("UnprocessedItems", {})
            return bool(left)

        _until_done(ask)


def _until_done(ask: Callable[[], bool]) -> None:
    """Ask again, with growing pauses, while something was left undone."""
    patient = Retrying(
        retry=retry_if_result(bool),
        wait=wait_random_exponential(multiplier=0.05, max=5),
        stop=stop_after_delay(PATIENCE_SECONDS),
        retry_error_callback=lambda _state: True,
    )
    if patient(ask):
        raise DependencyUnavailable("DynamoDB takes no more requests for now (throttled); try again later")


def _parts(of: Sequence[Part], size: int) -> Iterator[Sequence[Part]]:
    for start in range(0, len(of), size):
        yield of[start : start + size]


def _nothing_if_missing(ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return ask()
    except ClientError as error:
        if _code(error) != MISSING:
            raise
        return {}


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "error"))


@contextmanager
def errors() -> Iterator[None]:
    """What DynamoDB refuses, in the platform's words."""
    try:
        yield
    except DataOpsError:
        raise
    except NoCredentialsError:
        raise DependencyUnavailable("DynamoDB needs AWS credentials, and there are none") from None
    except ClientError as error:
        if _code(error) in FINAL:
            raise Conflict(f"DynamoDB refused: {_code(error)}") from None
        raise DependencyUnavailable(f"DynamoDB refused: {_code(error)}") from None
    except (BotoCoreError, OSError):
        raise DependencyUnavailable("DynamoDB did not answer") from None
