"""The Dagster UI, and the page of the REST API, as a person sees them, in headless Chromium."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.stories.conftest import RunningStack

CHROMIUM = shutil.which("chromium")
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"]
PATIENCE = 30_000

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: run 'make test-deps' as root")


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser.new_page(viewport={"width": 1500, "height": 950})
        browser.close()


class TestThePageOfTheApi:
    def test_is_drawn_without_any_other_host(self, stack: RunningStack, page: Page) -> None:
        asked: list[str] = []
        problems: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
        page.goto(f"{stack.api.base_url}/docs")
        page.locator(".opblock-tag").first.click(timeout=PATIENCE)
        expect(page.get_by_text("/api/v1/dataops/sources", exact=False).first).to_be_visible(timeout=PATIENCE)
        assert problems == []
        assert {url.partition("/openapi")[0].partition("/docs")[0] for url in asked} == {
            str(stack.api.base_url).rstrip("/")
        }


class TestTheAssetGroup:
    def test_shows_the_way_from_source_to_objects(self, stack: RunningStack, page: Page) -> None:
        page.goto(f"{stack.ui_url}/locations/dataops/asset-groups/aviation/lineage")
        for name in ("faa_registry", "aircraft_registry", "aircraft_registry_to_aircraft", "aircraft"):
            expect(page.get_by_text(name, exact=True).first).to_be_visible(timeout=PATIENCE)


class TestAMapping:
    def test_shows_its_rows_its_columns_and_what_it_does(self, stack: RunningStack, page: Page) -> None:
        page.goto(f"{stack.ui_url}/assets/aviation/sync/flights_to_flight")
        expect(page.get_by_text("336,776").first).to_be_visible(timeout=PATIENCE)
        expect(page.get_by_text("Sync of dataset 'Flights 2013' into objects of type 'flight'.")).to_be_visible()
        expect(page.get_by_text("departureDelay").first).to_be_visible()

    def test_shows_the_flights_without_a_plane_as_a_warning(self, stack: RunningStack, page: Page) -> None:
        page.goto(f"{stack.ui_url}/assets/aviation/sync/flights_to_flight?view=checks&checkDetail=reference_tailNumber")
        page.get_by_text("reference_tailNumber").first.click(timeout=PATIENCE)
        expect(page.get_by_text("52606 objects of type 'flight' have no aircraft").first).to_be_visible(
            timeout=PATIENCE
        )


class TestAutomation:
    def test_shows_schedules_and_sensors(self, stack: RunningStack, page: Page) -> None:
        page.goto(f"{stack.ui_url}/automation")
        for name in ("pipeline__aircraft_data_pipeline", "watch__weather_files", "retention", "launch_requests"):
            expect(page.get_by_text(name).first).to_be_visible(timeout=PATIENCE)
