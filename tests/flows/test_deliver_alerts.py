"""Messages of alerts: sent at least once, in order, tried again for hours, and never in anybody's way."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dataops_defs.adapters import webhook
from dataops_defs.catalogue.alert_deliveries import CLAIM, Deliveries
from dataops_defs.catalogue.alert_rows import AlertRow
from dataops_defs.catalogue.base import new_id
from dataops_defs.domain.alert_channels import signature
from dataops_defs.domain.alerts import BACK_OFF, MOST_TRIES, AlertStatus
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.run import RunState
from dataops_defs.flows.deliver_alerts import Sent, deliver_due
from tests.adapters.sources.rest_server import Asked, Reply, RestServer
from tests.alert_scenes import (
    ANNA,
    SECRET,
    alert,
    allow,
    begun,
    deliveries,
    end,
    ended,
    hook,
    later,
    step,
    take_mail_to,
    told,
)
from tests.mailbox import SENDER, Mailbox
from tests.scenes import World

S = RunState
SENDER_PROCESS = """
from dataops_defs.flows.deliver_alerts import deliver_due
from dataops_defs.flows.platform import Platform
from dataops_defs.settings import Settings
deliver_due(Platform(Settings()))
"""


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


def states(world: World, id: str) -> list[str]:
    return [str(each.state) for each in deliveries(world, id)]


class TestAWebhook:
    def test_is_told_what_happened_and_can_prove_who_told_it(self, world: World, rest: RestServer) -> None:
        world.platform.settings.public_url = "https://data.example.com/"
        wanted = alert(world, "run_failed", to=hook(rest, secret=SECRET), name="Nightly failures")
        dataset, id = new_id(), begun(world)
        step(world, id, dataset, S.FAILED, Ledger(read=10, inserted=8, rejected=2))
        end(world, id, S.FAILED)

        assert deliver_due(world.platform) == Sent(arrived=1)

        [noted], [asked] = deliveries(world, wanted), rest.asked
        assert asked.headers["webhook-id"] == noted.id
        moment = int(asked.headers["webhook-timestamp"])
        assert asked.headers["webhook-signature"] == signature(SECRET.encode(), noted.id, moment, asked.raw)
        body = asked.body
        assert (body["id"], body["event"], body["count"]) == (noted.id, "run_failed", 1)
        assert body["alert"] == {"id": wanted, "name": "Nightly failures"}
        assert datetime.fromisoformat(body["at"]) <= datetime.now(UTC)
        assert body["text"] == "[DataOps] extract of 'Aircraft' failed"
        execution = body["execution"]
        assert execution["url"] == f"https://data.example.com/api/v1/dataops/executions/{id}"
        assert (execution["id"], execution["kind"], execution["state"]) == (id, "extract", "failed")
        assert [execution[f"records{each}"] for each in ("Processed", "Succeeded", "Failed")] == [10, 8, 2]
        assert execution["error"] == "The file is not there"
        assert (str(noted.state), noted.answer_code, noted.tries) == ("sent", 200, 1)
        assert noted.sent_at is not None

    def test_is_told_in_the_order_of_events(self, world: World, rest: RestServer) -> None:
        wanted = alert(world, "run_failed", "run_succeeded", to=hook(rest))
        happened = [ended(world, S.FAILED if number % 2 else S.SUCCEEDED) for number in range(12)]

        assert deliver_due(world.platform).arrived == 12

        assert [asked.body["execution"]["id"] for asked in rest.asked] == happened
        assert states(world, wanted) == ["sent"] * 12

    def test_that_answers_500_and_then_200_has_the_message_by_then(self, world: World, rest: RestServer) -> None:
        rest.answers("/hook", Reply({}, 500), Reply({}))
        wanted = alert(world, "run_failed", to=hook(rest))
        ended(world)

        told_first = deliver_due(world.platform)

        [noted] = deliveries(world, wanted)
        assert (told_first.arrived, len(told_first.later)) == (0, 1)
        assert (str(noted.state), noted.answer_code, noted.reason) == ("pending", 500, "127.0.0.1 answered with 500")
        assert deliver_due(world.platform) == Sent(), "it is given time"

        later(world, BACK_OFF[0])
        assert deliver_due(world.platform).arrived == 1
        [noted] = deliveries(world, wanted)
        assert (str(noted.state), noted.tries, noted.answer_code, noted.reason) == ("sent", 2, 200, None)
        first, second = rest.asked
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.raw == second.raw

    def test_that_goes_on_refusing_is_tried_for_hours_and_given_up(self, world: World, rest: RestServer) -> None:
        rest.answers("/hook", Reply({}, 503))
        wanted = alert(world, "run_failed", to=hook(rest), name="Pager")
        ended(world)
        for pause in BACK_OFF:
            assert len(deliver_due(world.platform).later) == 1
            [noted] = deliveries(world, wanted)
            assert timedelta(0) <= pause - (noted.due_at - datetime.now(UTC)) < timedelta(seconds=60)
            later(world, pause - timedelta(seconds=61) if pause.total_seconds() > 61 else timedelta(0))
            assert deliver_due(world.platform) == Sent()
            later(world, timedelta(seconds=61))

        assert deliver_due(world.platform).failed == ["'Pager': 127.0.0.1 answered with 503 (try 6)"]

        [noted] = deliveries(world, wanted)
        assert (str(noted.state), noted.tries, noted.answer_code) == ("failed", MOST_TRIES, 503)
        later(world, timedelta(days=2))
        assert deliver_due(world.platform) == Sent()
        assert len(rest.asked) == MOST_TRIES

    def test_that_works_again_gets_what_waits_at_once_and_oldest_first(self, world: World, rest: RestServer) -> None:
        rest.answers("/hook", Reply({}, 500), Reply({}, 500), Reply({}))
        wanted = alert(world, "run_failed", to=hook(rest))
        happened = [ended(world) for _ in range(2)]
        deliver_due(world.platform)
        deliver_due(world.platform)
        assert states(world, wanted) == ["pending", "pending"]

        happened.append(ended(world))
        assert deliver_due(world.platform).arrived == 3

        assert [asked.body["execution"]["id"] for asked in rest.asked[2:]] == [happened[2], *happened[:2]]

    def test_may_not_hold_up_others_nor_take_more_than_its_time(
        self, world: World, rest: RestServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(webhook.post, "__defaults__", (0.5,))
        rest.answers("/slow", Reply(b"x" * 10_000, 500, silent=20))
        slow = alert(world, "run_failed", to=hook(rest, "/slow"))
        quick = alert(world, "run_failed", to=hook(rest))
        for _ in range(3):
            ended(world)

        told_now = deliver_due(world.platform)

        assert told_now.arrived == 3
        assert states(world, quick) == ["sent"] * 3
        waiting = deliveries(world, slow)
        assert waiting[0].reason == "127.0.0.1 did not answer within 0.5 seconds"
        assert [each.tries for each in waiting] == [1, 0, 0]

    def test_that_is_no_longer_allowed_is_not_asked(self, world: World, rest: RestServer) -> None:
        wanted = alert(world, "run_failed", to=hook(rest))
        ended(world)
        world.platform.settings.allowed_hosts = "elsewhere.example.com"
        deliver_due(world.platform)
        assert "not among the hosts" in str(deliveries(world, wanted)[0].reason)
        assert rest.asked == []


class TestMail:
    def test_tells_people_with_a_link(self, world: World, mailbox: Mailbox) -> None:
        world.platform.settings.public_url = "https://data.example.com"
        wanted = alert(world, "run_failed", name="Nightly failures")
        id = ended(world, name="Aircraft\r\nBcc: eve@example.com")

        assert deliver_due(world.platform).arrived == 1

        [got], [noted] = mailbox.messages, deliveries(world, wanted)
        assert mailbox.to == [[ANNA]]
        assert got["Subject"] == "[DataOps] extract of 'Aircraft Bcc: eve@example.com' failed"
        assert got["Message-ID"] == f"<{noted.id}@{SENDER.partition('@')[2]}>"
        assert "Bcc" not in got
        text = got.get_content()
        assert f"https://data.example.com/api/v1/dataops/executions/{id}" in text
        assert "The file is not there" in text
        assert "'Nightly failures'" in text

    def test_tells_what_columns_changed_and_what_is_out_of_date(self, world: World, mailbox: Mailbox) -> None:
        alert(world, "schema_drift", "rows_rejected")
        id = begun(world)
        step(world, id, new_id(), ledger=Ledger(read=4, inserted=3, rejected=1), drift=["column 'tail' is gone"])
        end(world, id, S.SUCCEEDED)
        deliver_due(world.platform)
        assert sorted(mailbox.subjects) == [
            "[DataOps] extract of 'Aircraft' found changed columns",
            "[DataOps] extract of 'Aircraft' rejected rows",
        ]
        assert any("column 'tail' is gone" in each.get_content() for each in mailbox.messages)

    def test_waits_for_a_server_that_is_away_or_not_set(self, world: World, mailbox: Mailbox) -> None:
        wanted = alert(world, "run_failed")
        given, world.platform.settings.smtp_url = world.platform.settings.smtp_url, None
        ended(world)
        deliver_due(world.platform)
        assert "DATAOPS_SMTP_URL" in str(deliveries(world, wanted)[0].reason)

        world.platform.settings.smtp_url = given
        later(world, BACK_OFF[0])
        assert deliver_due(world.platform).arrived == 1
        assert len(mailbox.messages) == 1


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


class TestAThrottledAlert:
    def test_tells_the_first_at_once_and_the_others_in_one_message(self, world: World, rest: RestServer) -> None:
        wanted = alert(world, "run_failed", to=hook(rest), throttle_seconds=300)
        happened = [ended(world)]
        assert deliver_due(world.platform).arrived == 1
        happened += [ended(world) for _ in range(25)]
        assert deliver_due(world.platform) == Sent()
        assert states(world, wanted) == ["sent", *["pending"] * 25]

        later(world, timedelta(seconds=300))
        happened.append(ended(world))
        assert deliver_due(world.platform).arrived == 1

        assert states(world, wanted) == ["sent", "sent", *["grouped"] * 25]
        body = rest.asked[1].body
        assert (body["count"], body["execution"]["id"]) == (26, happened[1])
        assert [each["execution"]["id"] for each in body["events"]] == [happened[1], *happened[-19:]]
        assert body["text"] == "[DataOps] extract of 'Aircraft' failed (and 25 more)"
        assert {each.grouped_into for each in deliveries(world, wanted)[2:]} == {body["id"]}

    def test_sends_the_same_group_again_when_it_has_to(self, world: World, rest: RestServer) -> None:
        rest.answers("/hook", Reply({}, 500), Reply({}))
        wanted = alert(world, "run_failed", to=hook(rest), throttle_seconds=1)
        for _ in range(3):
            ended(world)
        deliver_due(world.platform)
        ended(world)

        later(world, BACK_OFF[0])
        assert deliver_due(world.platform).arrived == 2

        assert [asked.body["count"] for asked in rest.asked] == [3, 3, 1]
        assert rest.asked[0].raw == rest.asked[1].raw
        assert states(world, wanted) == ["sent", "grouped", "grouped", "sent"]

    def test_says_so_by_mail(self, world: World, mailbox: Mailbox) -> None:
        alert(world, "run_failed", throttle_seconds=300)
        for _ in range(30):
            ended(world)
        deliver_due(world.platform)
        assert mailbox.subjects == ["[DataOps] extract of 'Aircraft' failed (and 29 more)"]
        assert "and 10 more that happened in between" in mailbox.messages[0].get_content()


class TestAnAlert:
    def test_that_is_paused_sends_nothing_until_it_is_not(self, world: World, rest: RestServer) -> None:
        wanted = alert(world, "run_failed", to=hook(rest))
        ended(world)

        def set_to(status: AlertStatus) -> None:
            with world.platform.catalogue() as session:
                session.get_one(AlertRow, wanted).status = status

        set_to(AlertStatus.PAUSED)
        assert deliver_due(world.platform) == Sent()
        set_to(AlertStatus.ACTIVE)
        assert deliver_due(world.platform).arrived == 1

    def test_whose_key_is_gone_says_so(self, world: World, rest: RestServer) -> None:
        wanted = alert(world, "run_failed", to=hook(rest))
        ended(world)
        world.platform.keyring.add()
        world.platform.keyring.keep_primary_only()
        deliver_due(world.platform)
        assert "the key that sealed it is gone" in str(deliveries(world, wanted)[0].reason)

    def test_that_something_unforeseen_happens_to_does_not_stop_the_others(
        self, world: World, rest: RestServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken, sound = alert(world, "run_failed", to=hook(rest, "/broken")), alert(world, "run_failed", to=hook(rest))
        usual = webhook.post

        def post(channel: Any, *arguments: Any) -> Any:
            if channel.url.endswith("/broken"):
                raise ZeroDivisionError
            return usual(channel, *arguments)

        monkeypatch.setattr(webhook, "post", post)
        ended(world)
        assert deliver_due(world.platform).arrived == 1
        assert (states(world, broken), states(world, sound)) == (["pending"], ["sent"])
        assert deliveries(world, broken)[0].reason == "An unexpected error (ZeroDivisionError)"
        assert told(world, sound) == ["run_failed"]
