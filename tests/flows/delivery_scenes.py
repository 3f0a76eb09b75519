"""Words for stories of alerts' messages: who receives them, and how they stand."""

from collections.abc import Iterator

import pytest

from tests.adapters.sources.rest_server import Reply, RestServer
from tests.alert_scenes import allow, deliveries, take_mail_to
from tests.mailbox import Mailbox
from tests.scenes import World


@pytest.fixture
def rest(world: World) -> Iterator[RestServer]:
    """A receiver of webhooks that an administrator has listed."""
    with RestServer().running() as server:
        allow(world, server)
        server.answers("/hook", Reply({}))
        yield server


@pytest.fixture
def mailbox(world: World) -> Iterator[Mailbox]:
    with Mailbox().running() as made:
        take_mail_to(world, made)
        yield made


def states(world: World, id: str) -> list[str]:
    return [str(each.state) for each in deliveries(world, id)]
