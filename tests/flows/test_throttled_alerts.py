"""Alerts that are throttled: the first message goes at once, the others together in the next."""

from datetime import timedelta

from dataops_defs.domain.alerts import BACK_OFF
from dataops_defs.flows.deliver_alerts import Sent, deliver_due
from tests.adapters.sources.rest_server import Reply, RestServer
from tests.alert_scenes import alert, deliveries, ended, hook, later
from tests.flows.delivery_scenes import mailbox, rest, states
from tests.mailbox import Mailbox
from tests.scenes import World

__all__ = ["mailbox", "rest"]


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
