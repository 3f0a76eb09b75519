"""Which tests run in one worker of pytest-xdist: those of a file, or of a folder whose tests share what they start."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

TOGETHER = ("tests/stories", "tests/instance")


class FilesAndFolders(LoadScopeScheduling):
    """Large scopes first, as of all schedulers of scopes."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return next((folder for folder in TOGETHER if file.startswith(f"{folder}/")), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FilesAndFolders:
    return FilesAndFolders(config, log)
