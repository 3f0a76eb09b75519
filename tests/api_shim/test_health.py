"""Health tells of disks before they are full, and nothing new is begun on a full one."""

import asyncio
import threading
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api_shim.answers import Family, refusal_of
from api_shim.app import create_app
from api_shim.health import Health
from dataops_defs.errors import InsufficientStorage
from dataops_defs.flows.disk_space import Disk, disks
from dataops_defs.flows.platform import Platform
from dataops_defs.settings import Settings
from tests.api_shim.conftest import Api
from tests.api_shim.in_process import InProcessLauncher

EVERYTHING = 2**62
LOW = {"disk_low_percent": 100, "disk_low_bytes": EVERYTHING}
FULL = {"disk_full_percent": 100, "disk_full_bytes": EVERYTHING}


class Running:
    """A Dagster whose location is loaded and whose daemons are well."""

    async def location_loaded_and_daemons_healthy(self) -> tuple[bool, bool]:
        return True, True


def with_limits(settings: Settings, limits: dict[str, Any]) -> Settings:
    return settings.model_copy(update={"disk_low_percent": 0, "disk_full_percent": 0, **limits})


def looked_at(settings: Settings) -> Health:
    return Health(Platform(settings), Running())  # type: ignore[arg-type]


class TestADisk:
    @pytest.mark.parametrize(
        ("limits", "status", "state"),
        [({}, "healthy", "up"), (LOW, "degraded", "low"), (FULL, "degraded", "full")],
    )
    def test_that_runs_full_degrades_the_platform_which_still_answers(
        self, shim_settings: Settings, limits: dict[str, Any], status: str, state: str
    ) -> None:
        report = asyncio.run(looked_at(with_limits(shim_settings, limits)).report())
        assert (report.status, report.http_status) == (status, 200)
        assert report.parts == {"database": "up", "dagster": "up", "daemon": "up", "disk": state}

    @pytest.mark.parametrize("address", ["/health", "/api/v1/health"])
    def test_is_told_with_numbers_and_advice_and_without_addresses(
        self, shim_settings: Settings, launcher: InProcessLauncher, address: str
    ) -> None:
        app = create_app(with_limits(shim_settings, FULL), launcher)
        with TestClient(app) as stranger:
            answer = stranger.get(address).json()
        [disk] = answer["disks"]
        assert answer["parts"]["disk"] == disk["state"] == "full"
        assert 0 < disk["free_bytes"] < disk["total_bytes"]
        assert "DATAOPS_RAW_DAYS" in disk["message"]
        assert answer["data"]["disks"] == answer["disks"]
        assert str(shim_settings.home) not in str(answer)

    def test_that_is_well_says_nothing(self, shim_settings: Settings) -> None:
        report = asyncio.run(looked_at(with_limits(shim_settings, {})).report())
        assert [disk.message for disk in report.disks] == [None]

    def test_that_does_not_answer_is_unknown_and_is_asked_once(
        self, shim_settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mounted, asked = threading.Event(), []

        def hang(settings: Settings) -> list[Disk]:
            asked.append(settings)
            mounted.wait()
            return disks(settings)

        monkeypatch.setattr("api_shim.health.disks", hang)
        monkeypatch.setattr("api_shim.health.SECONDS_TO_ANSWER", 0.3)
        monkeypatch.setattr("api_shim.health.SECONDS_KEPT", 0)

        async def story() -> list[str]:
            health = looked_at(with_limits(shim_settings, {}))
            states = [(await health.report()).parts["disk"] for _ in range(2)]
            await health.ensure_room()
            mounted.set()
            while (state := (await health.report()).parts["disk"]) == "unknown":
                await asyncio.sleep(0.01)
            return [*states, state]

        assert asyncio.run(story()) == ["unknown", "unknown", "up"]
        assert len(asked) == 1

    def test_that_is_full_refuses_new_work_and_one_that_is_low_does_not(self, shim_settings: Settings) -> None:
        with pytest.raises(InsufficientStorage, match="nothing new is begun") as refused:
            asyncio.run(looked_at(with_limits(shim_settings, FULL)).ensure_room())
        asyncio.run(looked_at(with_limits(shim_settings, LOW)).ensure_room())
        refusal = refusal_of(refused.value, Family.DATAOPS)
        assert (refusal.status, refusal.code) == (507, "INSUFFICIENT_STORAGE")


class TestAFullDisk:
    def test_refuses_launches_while_reading_and_defining_go_on(
        self, api: Api, shim_settings: Settings, launcher: InProcessLauncher
    ) -> None:
        dataset = api.dataset()
        shim_settings.disk_full_percent, shim_settings.disk_full_bytes = 100, EVERYTHING

        reply = api.client.post(f"/api/v1/dataops/datasets/{dataset['id']}/extract")

        assert (reply.status_code, reply.json()["code"]) == (507, "INSUFFICIENT_STORAGE")
        assert launcher.launched == []
        assert api.get(f"/datasets/{dataset['id']}/history") == []
        assert api.patch(f"/datasets/{dataset['id']}", {"description": "still editable"})
