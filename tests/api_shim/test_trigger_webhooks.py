"""Webhook triggers: a signature in place of a token, each delivery once, the payload in parameters."""

import base64
import hmac
import time
from concurrent.futures import ThreadPoolExecutor

from pydantic import SecretStr

from dataops_defs.adapters import webhook
from dataops_defs.catalogue.keys import rotate
from dataops_defs.catalogue.models import AuditRow
from dataops_defs.domain.alert_channels import WebhookChannel
from dataops_defs.domain.run import RunState
from dataops_defs.flows.mail_run_ends import mail_run_ends
from tests.alert_scenes import take_mail_to
from tests.api_shim.in_process import InProcessLauncher
from tests.api_shim.trigger_scenes import ETL, TRIGGERS, Sender, Triggers, ok, problem, triggers
from tests.mailbox import Mailbox

__all__ = ["triggers"]
ORDER = {"order": {"id": 7, "day": "2024-06-30", "all": True}}


class TestADelivery:
    def test_runs_the_pipeline_with_what_it_brings(self, triggers: Triggers) -> None:
        made = triggers.webhook(
            parameters={
                "date": "{{ payload.order.day }}",
                "full_refresh": "{{ payload.order.all }}",
                "order": "no. {{ payload.order.id }} by {{ trigger_name }}",
                "whole": "{{ payload.order }}",
                "missing": '{{ payload.nothing | default("none") }}',
            }
        )
        assert made["webhook_url"] == f"http://127.0.0.1:8000{TRIGGERS}/webhook/{made['trigger_id']}"
        taken = ok(Sender(triggers.client, made).send(ORDER))
        assert list(taken) == ["run_id", "trigger_id", "pipeline_id", "status", "started_at", "duplicate"]
        run = triggers.finished(taken["run_id"])
        assert (run.state, run.trigger, run.requested_by) == (RunState.SUCCEEDED, "webhook", "webhook:orders")
        assert run.parameters["parameters"] == {
            "date": "2024-06-30",
            "full_refresh": True,
            "order": "no. 7 by orders",
            "whole": ORDER["order"],
            "missing": "none",
        }
        [entry] = triggers.get(f"/{made['trigger_id']}/history")["history"]
        assert (entry["run_id"], entry["trigger"], entry["status"]) == (taken["run_id"], "webhook", "success")

    def test_is_taken_once_however_often_and_by_whomever_it_is_sent(
        self, triggers: Triggers, launcher: InProcessLauncher
    ) -> None:
        sender = Sender(triggers.client, triggers.webhook())
        with ThreadPoolExecutor(6) as pool:
            answers = [ok(each) for each in pool.map(lambda _: sender.send(ORDER, id="msg_1"), range(6))]
        assert len({each["run_id"] for each in answers}) == 1
        assert sorted(each["duplicate"] for each in answers) == [False] + [True] * 5
        triggers.finished(answers[0]["run_id"])
        again = ok(sender.send({"other": 1}, id="msg_1"))
        assert (again["run_id"], again["duplicate"], again["status"]) == (answers[0]["run_id"], True, "success")
        assert triggers.runs() == 1
        assert len(launcher.launched) == 1

    def test_whatever_is_wrong_with_a_signature_the_answer_is_the_same(self, triggers: Triggers) -> None:
        sender, other = Sender(triggers.client, triggers.webhook()), Sender(triggers.client, triggers.webhook(name="b"))
        late, early = int(time.time()) - 310, int(time.time()) + 310
        good = sender.headers(b'{"a": 1}')
        answers = [
            sender.send(ORDER, at=late),
            sender.send(ORDER, at=early),
            sender.send(ORDER, key=other.key),
            sender.send(ORDER, wrap=lambda text: text[3:]),
            sender.send(ORDER, wrap=lambda text: f"v0,{text[3:]}"),
            sender.send(ORDER, wrap=lambda text: f"{text[:-4]}AAA="),
            sender.send(ORDER, wrap=lambda text: "v0," + "A" * 5000),
            sender.send(ORDER, wrap=lambda text: ""),
            sender.post(b'{"a": 1}', {}),
            sender.post(b'{"a": 2}', good),
            sender.post(b'{"a": 1}', {**good, "webhook-id": "another"}),
            sender.post(b'{"a": 1}', {**good, "webhook-timestamp": "x"}),
            sender.post(b'{"a": 1}', {**good, "webhook-timestamp": "-1"}),
            sender.post(b'{"a": 1}', {"authorization": "Bearer nobody"}),
        ]
        told = {(each.status_code, each.text) for each in answers}
        assert len(told) == 1, told
        assert answers[0].status_code == 401
        assert triggers.runs() == 0
        assert ok(sender.send(ORDER, wrap=lambda text: f"v1,AAAA {text}"))["duplicate"] is False

    def test_one_signature_does_not_fit_two_deliveries(self, triggers: Triggers) -> None:
        sender, at = Sender(triggers.client, triggers.webhook()), int(time.time())
        whole = sender.headers(b"5", id=f"evt.{at}", at=at)

        answers = [sender.post(b"5", whole), sender.post(f"{at}.5".encode(), {**whole, "webhook-id": "evt"})]

        assert [each.status_code for each in answers] == [401, 200]
        assert "no dot" in answers[0].json()["detail"]

    def test_can_be_signed_by_what_the_refusal_says(self, triggers: Triggers) -> None:
        made, body = triggers.webhook(), b'{"a": 1}'
        sender = Sender(triggers.client, made)
        told = sender.post(body, {}).json()["detail"]
        for word in ("seconds since 1970", "'v1,'", "base64 of the HMAC-SHA256 of '<id>.<timestamp>.<body>'", "whsec_"):
            assert word in told
        key, at = base64.b64decode(made["secret"].removeprefix("whsec_")), str(int(time.time()))
        digest = base64.b64encode(hmac.digest(key, f"msg_1.{at}.".encode() + body, "sha256")).decode()
        signed = {"webhook-id": "msg_1", "webhook-timestamp": at, "webhook-signature": f"v1,{digest}"}
        assert digest not in sender.post(body, {**signed, "webhook-signature": "v1,AAAA"}).text
        assert sender.post(body, signed).status_code == 200

    def test_an_admins_token_does_not_help(self, triggers: Triggers) -> None:
        path = Sender(triggers.client, triggers.webhook()).path
        assert triggers.client.post(path, json=ORDER).status_code == 401

    def test_there_is_no_webhook_of_an_unknown_trigger_nor_of_another_type(self, triggers: Triggers) -> None:
        sender = Sender(triggers.client, triggers.webhook())
        cron = triggers.make(name="cron")
        for id in ("trigger_abc123", "x", cron["trigger_id"]):
            sender.path = f"{TRIGGERS}/webhook/{id}"
            assert problem(sender.send(ORDER)) == (404, [])

    def test_a_payload_that_lacks_what_a_parameter_names_is_refused_and_may_be_mended(self, triggers: Triggers) -> None:
        sender = Sender(triggers.client, triggers.webhook(parameters={"date": "{{ payload.order.day }}"}))
        for payload in (None, {}, {"order": 1}, {"order": {"day": "soon"}}, [1, 2], {"order": {"day": 5}}):
            assert problem(sender.send(payload, id="msg_1")) == (422, ["parameters.date"]), payload
        for body in (b"{", b'{"a": "\\u0000"}', b"[" * 70 + b"]" * 70, b"\xff\xfe"):
            assert problem(sender.send(body=body, id="msg_1"))[0] == 422, body
        assert sender.send(body=b'{"a": "' + b"x" * 1_000_000 + b'"}').status_code == 413
        assert triggers.runs() == 0
        assert ok(sender.send(ORDER, id="msg_1"))["duplicate"] is False

    def test_a_paused_trigger_a_disabled_pipeline_and_one_at_work_refuse_and_take_it_later(
        self, triggers: Triggers, launcher: InProcessLauncher
    ) -> None:
        made = triggers.webhook()
        sender = Sender(triggers.client, made)
        triggers.put(f"/{made['trigger_id']}/pause")
        assert problem(sender.send(ORDER, id="msg_1")) == (409, [])
        triggers.put(f"/{made['trigger_id']}/resume")
        triggers.client.patch(f"{ETL}/pipe_customer_sync_001", json={"enabled": False})
        assert "disabled" in sender.send(ORDER, id="msg_1").json()["detail"]
        triggers.client.patch(f"{ETL}/pipe_customer_sync_001", json={"enabled": True})
        launcher.held = True
        first = ok(sender.send(ORDER, id="msg_1"))
        assert problem(sender.send(ORDER, id="msg_2")) == (409, [])
        triggers.put(f"/{made['trigger_id']}/pause")
        assert ok(sender.send(ORDER, id="msg_1"))["run_id"] == first["run_id"]
        with triggers.world.platform.catalogue() as session:
            lines = [(row.actor, row.outcome) for row in session.query(AuditRow).filter(AuditRow.actor != "admin")]
        assert lines.count(("webhook:orders", "refused")) == 3
        assert lines.count(("webhook:orders", "done")) == 1


class TestItsSecret:
    def test_is_shown_once_and_kept_sealed(self, triggers: Triggers) -> None:
        made = triggers.webhook()
        for shown in (triggers.get(), triggers.get(f"/{made['trigger_id']}")):
            assert made["secret"] not in str(shown)
            assert "webhook_url" in str(shown)
        dump = triggers.world.platform.settings.url("catalogue")
        assert made["secret"] not in dump
        with triggers.world.platform.catalogue() as session:
            for table in ("trigger", "audit", "trigger_firing"):
                rows = session.connection().exec_driver_sql(f"SELECT t::text FROM {table} t").scalars()
                assert not any(made["secret"][6:] in row for row in rows)

    def test_a_new_one_ends_the_old_one(self, triggers: Triggers) -> None:
        made = triggers.webhook()
        old = Sender(triggers.client, made)
        new = Sender(triggers.client, ok(triggers.client.post(f"{TRIGGERS}/{made['trigger_id']}/secret")))
        assert old.send(ORDER).status_code == 401
        assert new.send(ORDER).status_code == 200
        cron = triggers.make(name="cron")
        assert triggers.client.post(f"{TRIGGERS}/{cron['trigger_id']}/secret").status_code == 409

    def test_survives_a_rotation_of_the_keys(self, triggers: Triggers) -> None:
        sender = Sender(triggers.client, triggers.webhook())
        rotate(triggers.world.platform.settings)
        assert sender.send(ORDER).status_code == 200

    def test_signs_as_this_platform_signs_what_it_sends_itself(self, triggers: Triggers) -> None:
        """An alert's webhook may fire a trigger."""
        made = triggers.webhook()
        sent: list[dict[str, str]] = []
        channel = WebhookChannel.of("http://127.0.0.1:9/x", secret=made["secret"])
        for request in webhook._requests(channel, webhook.httpx.URL(channel.url), ["127.0.0.1"], "m1", b"{}", _Line()):
            sent.append(dict(request.headers))
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        headers = {name: sent[0][name] for name in names} | {"content-type": "application/json"}
        assert Sender(triggers.client, made).post(b"{}", headers).status_code == 200


class _Line:
    def check(self) -> None: ...


class TestMailAtTheEnd:
    def test_is_sent_once_the_run_has_ended_and_not_before(
        self, triggers: Triggers, launcher: InProcessLauncher
    ) -> None:
        with Mailbox().running() as mailbox:
            take_mail_to(triggers.world, mailbox)
            given = {"date": "2024-06-30", "notification_email": "data-team@company.com"}
            launcher.held = True
            triggers.pipeline(name="later")
            triggers.manual("later", parameters=given)
            launcher.held = False
            run = triggers.manual(parameters=given)["run_id"]
            triggers.finished(run)
            assert (mail_run_ends(triggers.world.platform).arrived, mail_run_ends(triggers.world.platform).arrived) == (
                1,
                0,
            )
        [message] = mailbox.messages
        assert mailbox.to == [["data-team@company.com"]]
        assert message["Subject"] == "Pipeline 'pipe_customer_sync_001': success"
        text = message.get_content()
        assert run in text
        assert "10 read, 10 written" in text
        assert "date = 2024-06-30" in text

    def test_tells_of_a_failure_and_is_tried_again_while_the_server_is_away(self, triggers: Triggers) -> None:
        made = triggers.webhook(parameters={"notification_email": "ops@example.com"})
        triggers.world.sql("DROP TABLE content.film_work")
        run = ok(Sender(triggers.client, made).send())["run_id"]
        assert triggers.finished(run).state is RunState.FAILED
        platform = triggers.world.platform
        assert "DATAOPS_SMTP_URL" in mail_run_ends(platform).later[0]
        platform.settings.smtp_url = SecretStr("smtp://127.0.0.1:9")
        with platform.catalogue() as session:
            session.connection().exec_driver_sql("UPDATE run_notice SET due_at = now()")
        with Mailbox().running() as mailbox:
            take_mail_to(triggers.world, mailbox)
            assert mail_run_ends(platform).arrived == 1
        assert mailbox.subjects == ["Pipeline 'pipe_customer_sync_001': failed"]
        assert "Error: " in mailbox.messages[0].get_content()
