"""Dagster over GraphQL: stored documents, typed questions, one error when it is away."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
import structlog

from dataops_defs.catalogue.fingerprint import LABEL, PUBLISHING_SENSOR
from dataops_defs.errors import DependencyUnavailable

LOCATION = "dataops"
REPOSITORY = {"repositoryLocationName": LOCATION, "repositoryName": "__repository__"}
SECONDS = 15.0
# A large catalogue loads in seconds; a reload answers only when the location is there again.
SECONDS_TO_RELOAD = 120.0
LOG = structlog.get_logger()


@dataclass(frozen=True)
class ScheduleState:
    """A schedule or a sensor as Dagster has it; ``id`` is what stops it."""

    id: str
    running: bool


@lru_cache
def documents() -> Mapping[str, str]:
    """The stored documents by name."""
    text = (Path(__file__).parent / "documents.graphql").read_text()
    parts = re.split(r"^(?=(?:query|mutation) )", text, flags=re.MULTILINE)[1:]
    return {part.split("(")[0].split("{")[0].split()[1]: part for part in parts}


class DagsterClient:
    """Questions and orders to the Dagster webserver.

    All raise DependencyUnavailable when it does not answer or could not do what was asked.
    """

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=SECONDS, trust_env=False, transport=transport)

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def launch(
        self, job: str, run_config: Mapping[str, Any], tags: Mapping[str, str], assets: Sequence[Sequence[str]] = ()
    ) -> str:
        """Launch a job of the location, or only some of its assets; returns the id of the Dagster run."""
        selected = {"assetSelection": [{"path": list(path)} for path in assets]} if assets else {}
        execution = {
            "selector": {**REPOSITORY, "jobName": job, **selected},
            "runConfigData": run_config,
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        }
        answer = await self._ask("LaunchRun", "launchRun", execution=execution)
        if answer["__typename"] != "LaunchRunSuccess":
            raise _refused(f"Dagster did not launch the job '{job}'", answer)
        return str(answer["run"]["runId"])

    async def terminate(self, dagster_run_id: str) -> None:
        """Ask a run to end; one that has ended already is left alone."""
        await self._ask("TerminateRun", "terminateRun", id=dagster_run_id)

    async def reload(self) -> None:
        """Load the code location again; returns when it is there."""
        answer = await self._ask(
            "ReloadLocation", "reloadRepositoryLocation", seconds=SECONDS_TO_RELOAD, location=LOCATION
        )
        loaded = answer.get("locationOrLoadError") or {}
        if answer["__typename"] != "WorkspaceLocationEntry" or loaded.get("__typename") == "PythonError":
            raise _refused("Dagster could not load the code location again", {**answer, **loaded})

    async def schedules(self) -> dict[str, ScheduleState]:
        """All schedules of the location by name."""
        answer = await self._ask("ListSchedules", "schedulesOrError", repository=REPOSITORY)
        if answer["__typename"] != "Schedules":
            raise _refused("Dagster does not list the schedules", answer)
        return {
            each["name"]: ScheduleState(each["scheduleState"]["id"], each["scheduleState"]["status"] == "RUNNING")
            for each in answer["results"]
        }

    async def start_schedule(self, name: str) -> None:
        """Let a schedule fire."""
        answer = await self._ask("StartSchedule", "startSchedule", schedule={**REPOSITORY, "scheduleName": name})
        if answer["__typename"] != "ScheduleStateResult":
            raise _refused(f"Dagster did not start the schedule '{name}'", answer)

    async def stop_schedule(self, state_id: str) -> None:
        """Let a schedule fire no more."""
        answer = await self._ask("StopSchedule", "stopRunningSchedule", id=state_id)
        if answer["__typename"] != "ScheduleStateResult":
            raise _refused("Dagster did not stop the schedule", answer)

    async def sensors(self) -> dict[str, ScheduleState]:
        """All sensors of the location by name."""
        answer = await self._ask("ListSensors", "sensorsOrError", repository=REPOSITORY)
        if answer["__typename"] != "Sensors":
            raise _refused("Dagster does not list the sensors", answer)
        return {
            each["name"]: ScheduleState(each["sensorState"]["id"], each["sensorState"]["status"] == "RUNNING")
            for each in answer["results"]
        }

    async def start_sensor(self, name: str) -> None:
        """Let a sensor look."""
        answer = await self._ask("StartSensor", "startSensor", sensor={**REPOSITORY, "sensorName": name})
        if answer["__typename"] != "Sensor":
            raise _refused(f"Dagster did not start the sensor '{name}'", answer)

    async def stop_sensor(self, state_id: str) -> None:
        """Let a sensor look no more."""
        answer = await self._ask("StopSensor", "stopSensor", id=state_id)
        if answer["__typename"] != "StopSensorMutationResult":
            raise _refused("Dagster did not stop the sensor", answer)

    async def loaded_fingerprint(self) -> str | None:
        """That of the definitions which Dagster has loaded; None when the location does not publish it."""
        sensor = {**REPOSITORY, "sensorName": PUBLISHING_SENSOR}
        answer = await self._ask("SensorMetadata", "sensorOrError", sensor=sensor)
        if answer["__typename"] == "SensorNotFoundError":
            return None
        if answer["__typename"] != "Sensor":
            raise _refused("Dagster does not show the location's fingerprint", answer)
        return next((each["text"] for each in answer["metadataEntries"] if each["label"] == LABEL), None)

    async def location_lost(self) -> bool:
        """Whether Dagster has given the code location up; it does not load it again by itself.

        So it is when the process behind the code server that holds the definitions dies.
        """
        entries = (await self._data("Health", {}, SECONDS))["workspaceOrError"].get("locationEntries", [])
        return any(
            entry["name"] == LOCATION and (entry["locationOrLoadError"] or {}).get("__typename") == "PythonError"
            for entry in entries
        )

    async def location_loaded_and_daemons_healthy(self) -> tuple[bool, bool]:
        """Whether the code location is loaded, and whether all daemons that must run have a heartbeat."""
        data = await self._data("Health", {}, SECONDS)
        entries = data["workspaceOrError"].get("locationEntries", [])
        loaded = any(
            entry["name"] == LOCATION
            and entry["loadStatus"] == "LOADED"
            and (entry["locationOrLoadError"] or {}).get("__typename") == "RepositoryLocation"
            for entry in entries
        )
        daemons = data["instance"]["daemonHealth"]["allDaemonStatuses"]
        return loaded, all(each["healthy"] for each in daemons if each["required"])

    async def _ask(self, document: str, field: str, seconds: float = SECONDS, **variables: object) -> dict[str, Any]:
        answer: dict[str, Any] = (await self._data(document, variables, seconds))[field]
        return answer

    async def _data(self, document: str, variables: Mapping[str, object], seconds: float) -> dict[str, Any]:
        question = {"query": documents()[document], "variables": variables}
        try:
            response = await self._http.post("/graphql", json=question, timeout=seconds)
            response.raise_for_status()
            answer = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise DependencyUnavailable("Dagster does not answer; try again shortly") from error
        if answer.get("errors") or not answer.get("data"):
            LOG.error("Dagster refused a document", document=document, errors=str(answer.get("errors"))[:1000])
            raise DependencyUnavailable("Dagster could not answer; its log says why")
        data: dict[str, Any] = answer["data"]
        return data


def _refused(sentence: str, answer: Mapping[str, Any]) -> DependencyUnavailable:
    # Dagster's own words may hold paths and stack traces: they go to the log.
    LOG.error(sentence, typename=answer["__typename"], said=str(answer.get("message") or answer.get("errors"))[:2000])
    return DependencyUnavailable(f"{sentence}; its code location may still be loading, try again shortly")
