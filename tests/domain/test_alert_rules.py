"""What alerts ask for, where they may go, and what mail can be sent to."""

import base64
import hashlib
import hmac
from typing import Any

import pytest

from dataops_defs.domain.alert_channels import EmailChannel, WebhookChannel, signature
from dataops_defs.domain.alerts import BACK_OFF, AlertEvent, Ended, Part, Rule
from dataops_defs.domain.mail import MailServer, one_line, wrong_address
from dataops_defs.domain.run import RunKind, RunState
from dataops_defs.errors import Invalid

S = RunState
EVERYTHING = [str(each) for each in AlertEvent]


def rule(*events: str, **more: Any) -> Rule:
    return Rule(frozenset(AlertEvent(each) for each in events or EVERYTHING), **more)


def ended(state: RunState = S.FAILED, *parts: Part, subject: str | None = "d", app: str | None = "sea") -> Ended:
    return Ended(frozenset({RunKind.EXTRACT}), subject, app, state, parts)


def events(wanted: Rule, what: Ended, failed_before: bool = False) -> list[str]:
    return [str(each.event) for each in wanted.met_by(what, lambda _part: failed_before)]


class TestTheEndOfAnExecution:
    @pytest.mark.parametrize(
        ("state", "event"),
        [
            (S.SUCCEEDED, "run_succeeded"),
            (S.FAILED, "run_failed"),
            (S.TIMED_OUT, "run_timed_out"),
            (S.CANCELLED, "run_cancelled"),
        ],
    )
    def test_is_one_event(self, state: RunState, event: str) -> None:
        assert events(rule(), ended(state)) == [event]
        assert events(rule("freshness", stale_minutes=1), ended(state)) == []

    def test_is_a_recovery_when_it_succeeds_after_a_failure(self) -> None:
        assert events(rule("run_recovered"), ended(S.SUCCEEDED), failed_before=True) == ["run_recovered"]
        assert events(rule("run_recovered"), ended(S.SUCCEEDED), failed_before=False) == []
        assert events(rule("run_recovered"), ended(S.FAILED), failed_before=True) == []

    @pytest.mark.parametrize(
        ("thresholds", "is_told"),
        [
            ({}, True),
            ({"rejected_rows": 7}, True),
            ({"rejected_rows": 8}, False),
            ({"rejected_share": 0.5}, True),
            ({"rejected_share": 0.51}, False),
            ({"rejected_rows": 7, "rejected_share": 0.6}, False),
        ],
    )
    def test_tells_of_rejected_rows_from_a_number_and_a_share_on(
        self, thresholds: dict[str, Any], is_told: bool
    ) -> None:
        parts = (Part("d", "sea", S.SUCCEEDED, 2, 0.5), Part("m", "sea", S.SUCCEEDED, 5, 0.1))
        found = rule("rows_rejected", **thresholds).met_by(ended(S.SUCCEEDED, *parts), lambda _part: False)
        assert [dict(each.detail) for each in found] == ([{"rejected": 7, "share": 0.5}] if is_told else [])

    def test_without_a_rejected_row_does_not_tell_of_them(self) -> None:
        assert events(rule("rows_rejected"), ended(S.SUCCEEDED, Part("d", None, S.SUCCEEDED))) == []

    def test_tells_of_changed_columns(self) -> None:
        drifted = Part("d", None, S.SUCCEEDED, drift=[{"added": [{"name": "x"}]}])
        [found] = rule("schema_drift").met_by(ended(S.SUCCEEDED, drifted), lambda _part: False)
        assert found.detail == {"drift": [{"added": [{"name": "x"}]}]}


class TestAFilter:
    def test_takes_a_kind_an_app_or_a_definition(self) -> None:
        assert events(rule(kind=RunKind.EXTRACT, app="sea", subject_id="d"), ended()) == ["run_failed"]
        for other in ({"kind": RunKind.SYNC}, {"app": "air"}, {"subject_id": "x"}, {"subject_id": "d", "app": "air"}):
            assert events(rule(**other), ended()) == [], other

    def test_for_a_definition_tells_what_became_of_it_and_not_of_the_others(self) -> None:
        graph = ended(S.FAILED, Part("d", "sea", S.SUCCEEDED), Part("m", "air", S.FAILED), subject="p")
        assert events(rule(), graph) == ["run_failed"]
        assert events(rule(subject_id="d"), graph) == ["run_succeeded"]
        assert events(rule(subject_id="m"), graph) == ["run_failed"]
        assert events(rule(subject_id="m", app="sea"), graph) == []

    def test_for_an_app_takes_a_run_of_assets_by_what_it_works_at(self) -> None:
        assets = ended(S.FAILED, Part("d", "sea", S.FAILED), Part("m", "air", S.FAILED), subject=None, app=None)
        assert events(rule(app="air"), assets) == ["run_failed"]
        assert events(rule(app="rail"), assets) == []


class TestARule:
    @pytest.mark.parametrize(
        ("wanted", "field"),
        [
            (rule("freshness"), "thresholds.staleMinutes"),
            (rule("run_failed", stale_minutes=5), "thresholds.staleMinutes"),
            (rule("run_failed", rejected_rows=5), "thresholds.rejectedRows"),
            (rule("run_failed", rejected_share=0.5), "thresholds.rejectedShare"),
        ],
    )
    def test_whose_thresholds_do_not_fit_its_events_is_refused(self, wanted: Rule, field: str) -> None:
        with pytest.raises(Invalid) as refused:
            wanted.check()
        assert [each.field for each in refused.value.fields] == [field]

    def test_of_a_later_version_keeps_what_is_known_of_it(self) -> None:
        assert Rule.of(["run_failed", "moon_landing"], {}, {}).events == {AlertEvent.RUN_FAILED}

    def test_is_tried_for_about_seven_hours(self) -> None:
        assert [each.total_seconds() for each in BACK_OFF] == [10, 60, 300, 3600, 21_600]


class TestAnAddress:
    @pytest.mark.parametrize("address", ["anna@example.com", "a.b+c@x-y.example", "root@localhost", "o'hara@a.b"])
    def test_is_one(self, address: str) -> None:
        assert wrong_address(address) is None

    @pytest.mark.parametrize(
        "address",
        [
            *("", "anna", "@example.com", "anna@", "a@b@c", "anna@example..com", ".anna@example.com", "a b@c.d"),
            *("anna@example.com\r\nBcc: eve@example.com", "anna@example.com\n", "a\0@b.c", "<anna@example.com>"),
            *(
                "anna@example.com, eve@example.com",
                '"anna"@example.com',
                "änna@example.com",
                "anna@-a.b",
                "a" * 65 + "@b.c",
            ),
            *("a@" + "b" * 64 + ".c", "a@" + ".".join(["b" * 60] * 5)),
        ],
    )
    def test_is_none(self, address: str) -> None:
        assert wrong_address(address)
        with pytest.raises(Invalid, match=r"channel\.to\.1"):
            EmailChannel.of(["anna@example.com", address])

    def test_that_comes_twice_counts_once_and_there_is_one_at_least(self) -> None:
        assert EmailChannel.of(["a@b.c", "a@b.c"]).to == ["a@b.c"]
        for given in ([], [f"a{number}@b.c" for number in range(51)]):
            with pytest.raises(Invalid, match=r"channel\.to"):
                EmailChannel.of(given)


class TestALine:
    def test_ends_no_header(self) -> None:
        assert one_line("a\r\nBcc: eve@example.com\x00\u2028b\x85c", 99) == "a Bcc: eve@example.com b c"
        assert one_line("x" * 100, 10) == "x" * 9 + "…"


class TestAMailServer:
    def test_is_read_from_a_url(self) -> None:
        found = MailServer.of("smtps://user:p%40ss%2Fw@mail.example.com", "a@b.c")
        assert (found.host, found.port, found.security) == ("mail.example.com", 465, "tls")
        assert (found.user, found.password) == ("user", "p@ss/w")
        assert "p@ss" not in repr(found)
        assert MailServer.of("smtp+starttls://mail.example.com", "a@b.c").port == 587
        assert MailServer.of("smtp://u:p@127.0.0.1:2525", "a@b.c").port == 2525

    @pytest.mark.parametrize(
        ("url", "sender", "reason"),
        [
            ("mail.example.com", "a@b.c", "form"),
            ("http://mail.example.com", "a@b.c", "form"),
            ("smtp://", "a@b.c", "form"),
            ("smtp://mail.example.com:x", "a@b.c", "form"),
            ("smtp://mail.example.com/?verify=no", "a@b.c", "form"),
            ("smtp://mail.example.com", None, "DATAOPS_SMTP_FROM"),
            ("smtp://mail.example.com", "a@b.c\nBcc: x@y.z", "DATAOPS_SMTP_FROM"),
            ("smtps://user@mail.example.com", "a@b.c", "password"),
            ("smtp://user:pw@mail.example.com", "a@b.c", "in the clear"),
        ],
    )
    def test_that_is_none_or_not_safe_is_refused(self, url: str, sender: str | None, reason: str) -> None:
        with pytest.raises(Invalid, match=reason):
            MailServer.of(url, sender)


class TestAWebhook:
    @pytest.mark.parametrize(
        "url",
        [
            *("", "ftp://a.b/x", "https://", "https:///x", "https://u:p@a.b/x", "https://a.b/x#y", "https://a.b/x y"),
            *("https://a.b\\@c.d/", "https://a.b/\r\nx", "javascript:x", "https://a.b:99999/", "https://a.b:0/"),
        ],
    )
    def test_goes_to_an_address_of_http(self, url: str) -> None:
        with pytest.raises(Invalid, match=r"channel\.url"):
            WebhookChannel.of(url)

    @pytest.mark.parametrize(
        "headers",
        [
            *({"Host": "x"}, {"Webhook-Signature": "x"}, {"content-length": "1"}, {"Idempotency-Key": "1"}),
            *({"a b": "x"}, {"": "x"}, {"X": "a\r\nY: b"}, {"X": "ä"}, {f"X-{number}": "x" for number in range(21)}),
        ],
    )
    def test_has_headers_that_change_nothing_of_ours(self, headers: dict[str, str]) -> None:
        with pytest.raises(Invalid, match=r"channel\.headers"):
            WebhookChannel.of("https://a.b/x", headers=headers)

    @pytest.mark.parametrize("secret", ["short", "", "whsec_", "whsec_äöü", "whsec_" + "x" * 7])
    def test_has_a_secret_that_cannot_be_guessed(self, secret: str) -> None:
        with pytest.raises(Invalid, match=r"channel\.secret"):
            WebhookChannel.of("https://a.b/x", secret)

    def test_shows_neither_its_address_nor_its_secret_nor_what_is_in_its_headers(self) -> None:
        made = WebhookChannel.of("https://a.b:8443/T0KEN?k=T0KEN", "T0KEN" * 4, {"Authorization": "T0KEN"})
        assert made.shown == {
            "type": "webhook",
            "url": "https://a.b:8443/…",
            "headers": ["Authorization"],
            "signed": True,
        }
        assert "T0KEN" not in repr(made)

    def test_is_signed_over_id_time_and_body(self) -> None:
        made = WebhookChannel.of("https://a.b/x", "whsec_" + base64.b64encode(b"k" * 24).decode())
        assert made.key == b"k" * 24
        expected = hmac.new(b"k" * 24, b'id-1.1700000000.{"a":1}', hashlib.sha256).digest()
        assert signature(made.key, "id-1", 1_700_000_000, b'{"a":1}') == "v1," + base64.b64encode(expected).decode()
