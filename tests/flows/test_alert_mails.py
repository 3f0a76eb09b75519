"""Mail of alerts: what it tells, and that it waits for its server."""

from dataops_defs.catalogue.base import new_id
from dataops_defs.domain.alerts import BACK_OFF
from dataops_defs.domain.ledger import Ledger
from dataops_defs.domain.run import RunState
from dataops_defs.flows.deliver_alerts import deliver_due
from tests.alert_scenes import ANNA, alert, begun, deliveries, end, ended, later, step
from tests.flows.delivery_scenes import mailbox
from tests.mailbox import SENDER, Mailbox
from tests.scenes import World

__all__ = ["mailbox"]
S = RunState


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
