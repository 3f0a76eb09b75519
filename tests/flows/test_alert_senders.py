"""Senders of alerts' messages that are killed, late, or two at a time: each message goes out, with one id."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from dataops_defs.catalogue.alert_deliveries import CLAIM, Deliveries
from dataops_defs.domain.alerts import MOST_TRIES
from dataops_defs.flows.deliver_alerts import Sent, deliver_due
from tests.adapters.sources.rest_server import Asked, Reply, RestServer
from tests.alert_scenes import alert, deliveries, ended, hook, later
from tests.flows.delivery_scenes import mailbox, rest, states
from tests.mailbox import Mailbox
from tests.scenes import World

__all__ = ["mailbox", "rest"]
SENDER_PROCESS = """
from dataops_defs.flows.deliver_alerts import deliver_due
from dataops_defs.flows.platform import Platform
from dataops_defs.settings import Settings
deliver_due(Platform(Settings()))
"""


@pytest.fixture
def sender(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[], subprocess.Popen[bytes]]:
    """Starts a process of its own that sends what is due."""

    def start() -> subprocess.Popen[bytes]:
        settings = world.platform.settings
        given = {"ALLOWED_HOSTS": settings.allowed_hosts, "SMTP_FROM": settings.smtp_from or ""}
        if settings.smtp_url is not None:
            given["SMTP_URL"] = settings.smtp_url.get_secret_value()
        environment = os.environ | {f"DATAOPS_{name}": value for name, value in given.items()}
        return subprocess.Popen([sys.executable, "-c", SENDER_PROCESS], env=environment)

    return start


class TestASenderThatIsKilled:
    """Between sending and noting: the receiver has the message, and nobody knows."""

    def test_leaves_a_webhook_that_is_sent_again_with_the_same_id(
        self, world: World, rest: RestServer, sender: Callable[[], subprocess.Popen[bytes]]
    ) -> None:
        processes: list[subprocess.Popen[bytes]] = []

        def killing(_asked: Asked) -> Reply:
            processes[0].send_signal(signal.SIGKILL)
            processes[0].wait()
            return Reply({})

        rest.routes["/hook"] = killing
        wanted = alert(world, "run_failed", to=hook(rest))
        ended(world)
        ended(world)
        processes.append(sender())
        assert processes[0].wait(60) == -signal.SIGKILL

        assert [(str(each.state), each.tries) for each in deliveries(world, wanted)] == [("pending", 1), ("pending", 0)]
        assert deliver_due(world.platform) == Sent(), "its claim counts, and the next message waits for its turn"
        rest.answers("/hook", Reply({}))
        later(world, CLAIM)
        assert deliver_due(world.platform).arrived == 2
        assert [asked.headers["webhook-id"] for asked in rest.asked] == [
            deliveries(world, wanted)[number].id for number in (0, 0, 1)
        ]
        assert [each.tries for each in deliveries(world, wanted)] == [2, 1]

    def test_leaves_a_mail_that_is_sent_again_with_the_same_id(
        self, world: World, mailbox: Mailbox, sender: Callable[[], subprocess.Popen[bytes]]
    ) -> None:
        processes: list[subprocess.Popen[bytes]] = []
        mailbox.on_message = lambda: processes[0].kill()
        wanted = alert(world, "run_failed")
        ended(world)
        processes.append(sender())
        assert processes[0].wait(60) == -signal.SIGKILL

        mailbox.on_message = lambda: None
        later(world, CLAIM)
        assert deliver_due(world.platform).arrived == 1
        first, second = (each["Message-ID"] for each in mailbox.messages)
        assert first == second
        assert states(world, wanted) == ["sent"]

    def test_at_every_try_is_given_up_at_last(self, world: World, rest: RestServer) -> None:
        wanted = alert(world, "run_failed", to=hook(rest))
        ended(world)
        for _ in range(MOST_TRIES):
            with world.platform.catalogue() as session:
                assert Deliveries(session).claim(wanted)
            later(world, CLAIM)

        assert deliver_due(world.platform) == Sent()

        [noted] = deliveries(world, wanted)
        assert (str(noted.state), noted.tries) == ("failed", MOST_TRIES)
        assert "could say how the last try went" in str(noted.reason)

    def test_or_late_does_not_undo_what_another_has_done(self, world: World, rest: RestServer) -> None:
        wanted = alert(world, "run_failed", to=hook(rest))
        ended(world)
        with world.platform.catalogue() as session:
            claimed = Deliveries(session).claim(wanted)
        later(world, CLAIM)
        assert deliver_due(world.platform).arrived == 1

        assert claimed is not None
        with world.platform.catalogue() as session:
            assert Deliveries(session).not_sent(claimed[1].id, 1, None, "late") is None
        assert states(world, wanted) == ["sent"]

    def test_or_late_does_not_take_the_message_from_another(self, world: World, rest: RestServer) -> None:
        wanted = alert(world, "run_failed", to=hook(rest))
        ended(world)
        with world.platform.catalogue() as session:
            assert Deliveries(session).claim(wanted)
        later(world, CLAIM)
        with world.platform.catalogue() as session:
            claimed = Deliveries(session).claim(wanted)
        assert claimed is not None
        with world.platform.catalogue() as session:
            assert Deliveries(session).not_sent(claimed[1].id, 1, 500, "late") is None
        [noted] = deliveries(world, wanted)
        assert (str(noted.state), noted.tries, noted.reason) == ("pending", 2, None)
        assert noted.claimed_until is not None


class TestTwoSenders:
    def test_do_not_send_the_same_message(self, world: World, rest: RestServer) -> None:
        wanted = alert(world, "run_failed", to=hook(rest))
        for _ in range(2):
            ended(world)
        with world.platform.catalogue() as one:
            assert Deliveries(one).claim(wanted)
            with world.platform.catalogue() as other:
                assert Deliveries(other).claim(wanted) is None
        with world.platform.catalogue() as other:
            assert Deliveries(other).due(10) == [wanted]
            assert Deliveries(other).claim(wanted) is None
