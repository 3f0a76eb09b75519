from datetime import UTC, datetime
from typing import Any

import pytest

from dataops_defs.domain.extraction import ExtractionType, extraction
from dataops_defs.domain.run import ENDED, RunState, may_become
from dataops_defs.domain.schedule import schedule
from dataops_defs.domain.source import Source, SourceType, check_connection, source_type, split_secrets
from dataops_defs.errors import Invalid


class TestAConnection:
    def test_the_documents_example_is_accepted_and_its_password_split_off(self) -> None:
        connection = {
            "host": "db.example.com",
            "port": 5432,
            "database": "a",
            "username": "reader",
            "password": "s3cret",
        }
        check_connection(SourceType.POSTGRES, connection)
        shown, hidden = split_secrets(connection)
        assert hidden == {"password": "s3cret"}
        assert "password" not in shown

    @pytest.mark.parametrize(
        ("connection", "field"),
        [
            ({"database": "a"}, "connection.host"),
            ({"host": "h", "database": "a", "port": "5432"}, "connection.port"),
            ({"host": "h", "database": "a", "port": 70000}, "connection.port"),
            ({"host": "h", "database": "a", "port": True}, "connection.port"),
            ({"host": "/var/run", "database": "a"}, "connection.host"),
            ({"host": "h", "database": "a sslmode=disable"}, "connection.database"),
            ({"host": "h", "database": "a", "username": "u\nx"}, "connection.username"),
            ({"host": "h", "database": "a", "bucket": "b"}, "connection.bucket"),
            ({"host": "h", "database": "a", "sslmode": "yes"}, "connection.sslmode"),
        ],
    )
    def test_each_mistake_names_its_field(self, connection: dict[str, Any], field: str) -> None:
        with pytest.raises(Invalid) as refusal:
            check_connection(SourceType.POSTGRES, connection)
        assert refusal.value.fields[0].field == field

    def test_only_documented_types_are_known(self) -> None:
        assert [str(source_type(each)) for each in ("postgres", "mysql", "excel", "csv", "s3", "api")] == list(
            SourceType
        )
        with pytest.raises(Invalid, match="is no source type"):
            source_type("carrier-pigeon")

    @pytest.mark.parametrize(
        ("kind", "connection", "field"),
        [
            (SourceType.MYSQL, {"host": "h"}, "connection.database"),
            (SourceType.S3, {"bucket": "b", "accessKeyId": "k"}, "connection.secretAccessKey"),
            (SourceType.S3, {"bucket": "b", "endpoint": "ftp://h"}, "connection.endpoint"),
            (SourceType.API, {"endpoint": "http://user:pw@h/"}, "connection.endpoint"),
            (SourceType.API, {"endpoint": "http://h", "authType": "bearer"}, "connection.token"),
            (SourceType.API, {"endpoint": "http://h", "token": "t"}, "connection.authType"),
            (SourceType.API, {"endpoint": "http://h", "authType": "basic"}, "connection.authType"),
            (SourceType.API, {"endpoint": "http://h", "headers": {"Authorization": "x"}}, "connection.headers"),
            (SourceType.API, {"endpoint": "http://h", "headers": {"X": "a\r\nY: b"}}, "connection.headers"),
            (SourceType.CSV, {"path": "p", "privateKey": "k"}, "connection.privateKey"),
        ],
    )
    def test_each_kind_has_settings_of_its_own(self, kind: SourceType, connection: dict[str, Any], field: str) -> None:
        with pytest.raises(Invalid) as refusal:
            check_connection(kind, connection)
        assert refusal.value.fields[0].field == field

    def test_no_secret_of_any_kind_is_shown(self) -> None:
        given = dict.fromkeys(("password", "token", "secretAccessKey", "sessionToken", "privateKey"), "hidden")
        assert split_secrets({**given, "host": "h"}) == ({"host": "h"}, given)

    def test_secrets_do_not_show_in_a_printed_source(self) -> None:
        source = Source("1", "n", "n", SourceType.POSTGRES, "a", {}, {"password": "s3cret"})
        assert "s3cret" not in repr(source)


class TestAnExtraction:
    def test_sql_belongs_to_databases_and_files_to_files(self) -> None:
        made = extraction({"type": "sql", "query": "SELECT 1"}, SourceType.POSTGRES)
        assert made.type is ExtractionType.SQL
        for value, kind in (
            ({"type": "file"}, SourceType.POSTGRES),
            ({"type": "sql", "query": "SELECT 1"}, SourceType.CSV),
            ({"type": "sql", "query": "  "}, SourceType.POSTGRES),
            ({"type": "sql"}, SourceType.POSTGRES),
            ({"type": "file", "query": "SELECT 1"}, SourceType.CSV),
            ({"type": "magic"}, SourceType.CSV),
            ({"type": "s3"}, SourceType.S3),
            ({"type": "s3", "path": "a", "format": "xml"}, SourceType.S3),
            ({"type": "api", "method": "PUT"}, SourceType.API),
            ({"type": "api", "body": {}}, SourceType.API),
            ({"type": "api", "paging": {"type": "offset", "param": "skip"}}, SourceType.API),
            ({"type": "api", "paging": {"type": "page", "param": "page", "first": -1}}, SourceType.API),
            ({"type": "api", "paging": {"type": "page", "pages": 3}}, SourceType.API),
        ):
            with pytest.raises(Invalid):
                extraction(value, kind)

    def test_is_kept_as_it_was_given(self) -> None:
        paging = {"type": "cursor", "param": "after", "cursorPath": "meta.next", "sizeParam": "limit", "size": 100}
        given = {"type": "api", "endpoint": "planes", "method": "POST", "body": {"active": True}}
        given |= {"recordsPath": "data.items", "paging": paging}
        assert extraction(given, SourceType.API).as_json() == given


class TestASchedule:
    def test_the_next_tick_is_in_its_own_time_zone(self) -> None:
        daily = schedule({"enabled": True, "cron": "0 2 * * *", "timezone": "America/New_York"})
        tick = daily.next_after(datetime(2026, 1, 10, 12, tzinfo=UTC))
        assert tick.astimezone(UTC) == datetime(2026, 1, 11, 7, tzinfo=UTC)

    @pytest.mark.parametrize(
        "cron",
        [
            "",
            "* * * *",
            "* * * * * *",
            "61 * * * *",
            "0 0 30 2 *",
            "every day",
            "R * * * *",
            "0 H * * *",
            "R(0-9)/2 2 * * *",
        ],
    )
    def test_only_five_fields_are_a_cron_line(self, cron: str) -> None:
        with pytest.raises(Invalid):
            schedule({"cron": cron})

    @pytest.mark.parametrize(
        ("cron", "said"),
        [
            ("99 2 * * *", "'99' is no minute of a cron line: it takes 0 to 59, *, lists, ranges and steps"),
            ("0 25 * * *", "'25' is no hour"),
            ("0 0 1,99 * *", "'1,99' is no day of the month"),
            ("0 0 * foo *", "'foo' is no month"),
            ("0 0 * * 8", "'8' is no day of the week"),
            ("H 2 * * *", "'H' is no minute"),
            ("0 2 * *", "'0 2 * *' has 4 fields, and a cron line five: minute, hour, day of the month, month"),
            ("0 0 2 * * *", "'0 0 2 * * *' has 6 fields, and a cron line five"),
        ],
    )
    def test_the_field_that_is_wrong_is_named(self, cron: str, said: str) -> None:
        with pytest.raises(Invalid) as refused:
            schedule({"cron": cron})
        assert refused.value.fields[0].message.startswith(said)

    def test_days_and_months_may_have_names(self) -> None:
        assert schedule({"cron": " 0 2  * MAR,apr FRI\n"}).cron == "0 2 * MAR,apr FRI"

    @pytest.mark.parametrize("timezone", ["Mars/Olympus", "localtime", "posixrules", "right/UTC", "../../etc/passwd"])
    def test_an_unknown_time_zone_is_refused(self, timezone: str) -> None:
        with pytest.raises(Invalid) as refusal:
            schedule({"cron": "0 2 * * *", "timezone": timezone})
        assert refusal.value.fields[0].field == "schedule.timezone"


class TestTheStatesOfARun:
    def test_nothing_follows_an_end(self) -> None:
        assert not any(may_become(end, after) for end in ENDED for after in RunState)

    def test_every_state_can_reach_an_end(self) -> None:
        for state in set(RunState) - ENDED:
            reachable, frontier = {state}, [state]
            while frontier:
                here = frontier.pop()
                news = {each for each in RunState if may_become(here, each)} - reachable
                reachable |= news
                frontier += news
            assert reachable & ENDED
