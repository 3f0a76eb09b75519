"""Messages of alerts to webhooks: sent at least once, in order, tried again for hours, and never in anybody's way."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dataops_defs.adapters import webhook
from dataops_defs.catalogue.alert_rows import AlertRow
from dataops_defs.catalogue.base import new_id
from dataops_defs.domain.alert_channels import signature
from dataops_defs.domain.alerts import BACK_OFF, MOST_TRIES, AlertStatus
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.run import RunState
from dataops_defs.flows.deliver_alerts import Sent, deliver_due
from tests.adapters.sources.rest_server import Reply, RestServer
from tests.alert_scenes import SECRET, alert, begun, deliveries, end, ended, hook, later, step, told
from tests.flows.delivery_scenes import rest, states
from tests.scenes import World

__all__ = ["rest"]
S = RunState


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
        monkeypatch.setattr(webhook.post, "__defaults__", (2.0,))
        rest.answers("/slow", Reply(b"x" * 10_000, 500, silent=20))
        slow = alert(world, "run_failed", to=hook(rest, "/slow"))
        quick = alert(world, "run_failed", to=hook(rest))
        for _ in range(3):
            ended(world)

        told_now = deliver_due(world.platform)

        assert told_now.arrived == 3
        assert states(world, quick) == ["sent"] * 3
        waiting = deliveries(world, slow)
        assert waiting[0].reason == "127.0.0.1 did not answer within 2 seconds"
        assert [each.tries for each in waiting] == [1, 0, 0]

    def test_that_is_no_longer_allowed_is_not_asked(self, world: World, rest: RestServer) -> None:
        wanted = alert(world, "run_failed", to=hook(rest))
        ended(world)
        world.platform.settings.allowed_hosts = "elsewhere.example.com"
        deliver_due(world.platform)
        assert "not among the hosts" in str(deliveries(world, wanted)[0].reason)
        assert rest.asked == []


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
