"""The stream of run changes, over real sockets. Source: issue "Launching", streams of state."""

import httpx
import psycopg2
import pytest
from fastapi import FastAPI
from sqlalchemy import event

from api_shim import events
from api_shim.event_stream import cursor_text
from api_shim.subscriber import MOST_WAITING
from dataops_defs.catalogue.base import new_id, now
from dataops_defs.catalogue.database import engine
from dataops_defs.catalogue.run_lists import RunLists
from dataops_defs.catalogue.run_nodes import RunNodes
from dataops_defs.domain.pipeline_run import NodeState
from dataops_defs.domain.run import RunKind, RunState
from dataops_defs.flows.platform import Platform
from tests.api_shim.following import EVENTS, AnExecution, Served, execute, many_copies, wait_for
from tests.flows.graph_scenes import fleet
from tests.scenes import World

MANY = MOST_WAITING + 500


class TestFollowing:
    def test_the_life_of_an_execution_arrives_in_order_and_ends(self, live: Served, platform: Platform) -> None:
        with live.stream() as stream:
            run = AnExecution(platform)
            assert stream.states(run.id, "queued") == ["queued"]
            run.begin().step(250, 1000)
            seen = stream.until(run.id, "running")
            while seen[-1].data["progress"].get("percent") != 25.0:
                seen.append(stream.next())
            run.step(1000, 1000).end_step(1000).finish()
            seen += stream.until(run.id, "succeeded")

        last = seen[-1].data
        assert (last["status"], last["recordsProcessed"]) == ("completed", 1000)
        assert last["progress"]["percent"] == 100
        assert [each.id for each in seen] == sorted(each.id for each in seen)
        assert {each.name for each in seen} == {"run"}

    def test_an_event_looks_like_the_lists_rows(self, live: Served, platform: Platform) -> None:
        with live.stream() as stream:
            run = AnExecution(platform, RunKind.PIPELINE).begin(steps=1).step(10, 10).end_step(10).finish()
            told = stream.until(run.id, "succeeded")[-1].data

        (listed,) = live.get("/executions")
        found = live.get(f"/executions/{run.id}")
        assert told == listed
        assert told == {name: value for name, value in found.items() if name != "steps"}
        assert found["steps"][0]["percent"] == 100

    def test_the_nodes_of_a_pipeline_are_told_as_they_change(self, live: Served, platform: Platform) -> None:
        world = World(platform, platform.settings.roots[0])
        world.files.mkdir(parents=True, exist_ok=True)
        graph = fleet(world)
        with live.stream(subjectId=graph.pipeline) as stream:
            run = graph.request()
            begun = stream.next()
            graph.execute(run)
            graph.finish(run, RunState.SUCCEEDED)
            told = [begun, *stream.until(run, "succeeded")]

        assert {node["status"] for node in begun.data["nodes"]} == {"waiting"}
        assert {node["status"] for node in told[-1].data["nodes"]} == {"completed"}
        assert told[-1].data["nodes"] == live.get(f"/executions/{run}")["nodes"]
        seen = [[node["status"] for node in each.data["nodes"]] for each in told]
        done = [states.count("completed") for states in seen]
        assert done == sorted(done)
        assert any("running" in states for states in seen)

    def test_what_is_noted_of_a_node_is_an_event_by_itself(self, live: Served, platform: Platform) -> None:
        world = World(platform, platform.settings.roots[0])
        world.files.mkdir(parents=True, exist_ok=True)
        graph = fleet(world)
        run = graph.request()
        graph.execute(run)
        with platform.catalogue() as session:
            before = RunLists(session).get(run).changed_at
        with live.stream(executionId=run) as stream:
            with platform.catalogue() as session:
                RunNodes(session).note(run, "m1", NodeState.FAILED, "only to see it told")
            told = stream.next().data

        assert [node["status"] for node in told["nodes"] if node["id"] == "m1"] == ["failed"]
        with platform.catalogue() as session:
            assert RunLists(session).get(run).changed_at > before

    def test_each_subscriber_hears_what_it_asked_for(self, live: Served, platform: Platform) -> None:
        dataset = new_id()
        first = AnExecution(platform)
        with (
            live.stream(executionId=first.id) as one,
            live.stream(subjectId=dataset) as of_dataset,
            live.stream(kind="sync") as syncs,
        ):
            second = AnExecution(platform, RunKind.EXTRACT, dataset)
            third = AnExecution(platform, RunKind.SYNC, dataset)
            for each in (second, third, first):
                each.begin().finish()

            assert {each.data["id"] for each in one.until(first.id, "succeeded")} == {first.id}
            of_both = of_dataset.until(third.id, "succeeded")
            assert {each.data["id"] for each in of_both} == {second.id, third.id}
            assert {each.data["id"] for each in syncs.until(third.id, "succeeded")} == {third.id}

    def test_quick_changes_are_joined_and_read_once_for_all(
        self,
        live: Served,
        platform: Platform,
        catalogue_url: str,
        connection: psycopg2.extensions.connection,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(events, "SECONDS_TO_JOIN", 1.0)
        run = AnExecution(platform).begin().step(0, 1000)
        reads: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
            if "LATERAL" in statement:
                reads.append(statement)

        event.listen(engine(catalogue_url), "before_cursor_execute", note)
        with live.stream() as stream, live.stream() as other:
            execute(
                connection,
                f"DO $$ BEGIN FOR n IN 1..100 LOOP UPDATE run_step SET rows_done = n WHERE id = '{run.step_id}';"
                " COMMIT; PERFORM pg_sleep(0.005); END LOOP; END $$",
            )
            run.finish(RunState.FAILED)
            told = stream.until(run.id, "failed")

            assert other.until(run.id, "failed")[-1] == told[-1]
        assert told[-1].data["progress"]["rowsDone"] == 100
        assert len(told) <= len(reads) < 20

    def test_a_quiet_stream_is_kept_alive(self, live: Served, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(events, "SECONDS_QUIET", 0.01)
        with live.client.stream("GET", EVENTS) as reply:
            assert next(line for line in reply.iter_lines() if line.startswith(":"))

    def test_the_place_of_a_client_that_went_away_is_free(
        self, app: FastAPI, live: Served, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(events, "MOST_SUBSCRIBERS", 1)
        with live.stream():
            refused = live.client.get(EVENTS)

            assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_STREAMS")
            assert int(refused.headers["Retry-After"]) > 0
        wait_for(lambda: not app.state.shim.events._subscribers)
        with live.stream():
            pass


class TestComingBack:
    @pytest.mark.parametrize("as_header", [True, False])
    def test_what_changed_meanwhile_is_told_first(self, live: Served, platform: Platform, as_header: bool) -> None:
        with live.stream() as stream:
            first = AnExecution(platform).begin()
            last = stream.until(first.id, "running")[-1].id
        first.finish()
        second = AnExecution(platform).begin()

        with live.stream(last) if as_header else live.stream(lastEventId=last) as stream:
            assert stream.until(second.id, "running")[0].data["id"] == first.id
            second.finish()
            stream.until(second.id, "succeeded")

    def test_however_much_it_is(
        self, live: Served, platform: Platform, connection: psycopg2.extensions.connection
    ) -> None:
        with live.stream() as stream:
            run = AnExecution(platform)
            last = stream.until(run.id, "queued")[-1].id
        many_copies(connection, run, MANY)
        with live.stream() as stream:
            # When this one is told, no notification of the others is on its way any more.
            sync = AnExecution(platform, RunKind.SYNC)
            stream.until(sync.id, "queued")

        with live.stream(last, kind="extract") as stream:
            told: set[str] = set()
            while len(told) <= MANY:
                told.add(stream.next().data["id"])

    def test_what_was_told_long_ago_is_not_told_again(
        self, live: Served, platform: Platform, connection: psycopg2.extensions.connection
    ) -> None:
        AnExecution(platform).begin().step(5).finish(RunState.FAILED)
        AnExecution(platform)
        for table in ("run", "run_step"):
            execute(
                connection,
                f"UPDATE {table} SET updated_at = updated_at - interval '1 hour',"
                " finished_at = finished_at - interval '1 hour'",
            )
        with live.stream() as stream:
            # When this one is told, no notification of the others is on its way any more.
            new = AnExecution(platform).begin()
            stream.until(new.id, "running")

        with live.stream(cursor_text(now())) as stream:
            assert {each.data["id"] for each in stream.until(new.id, "running")} == {new.id}

    def test_a_cursor_that_is_none_is_refused(self, live: Served) -> None:
        for wrong in ("42", "2025-11-02", "2025-11-02T10:00:00", "x"):
            refused = live.client.get(EVENTS, headers={"Last-Event-ID": wrong})

            assert refused.status_code == 422
            assert refused.json()["errors"][0]["field"] == "lastEventId"
        for query in ("executionId=none", "subjectId=x", "kind=dance", "unknown=1", "lastEventId=9"):
            assert live.client.get(f"{EVENTS}?{query}").status_code == 422


class TestWhoMayFollow:
    def test_nobody_without_a_token(self, live: Served) -> None:
        assert httpx.get(live.client.base_url.join(EVENTS)).status_code == 401

    def test_a_viewer_until_the_token_is_revoked(self, live: Served, platform: Platform) -> None:
        made = live.client.post("/api/v1/dataops/tokens", json={"name": "watcher", "role": "viewer"}).json()
        viewer = Served(str(live.client.base_url), made["token"])
        with viewer.stream() as stream:
            run = AnExecution(platform)
            stream.until(run.id, "queued")

            assert live.client.delete(f"/api/v1/dataops/tokens/{made['id']}").status_code == 204
            run.begin()

            assert stream.rest() == []
