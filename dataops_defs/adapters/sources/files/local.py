"""Local files as sources: one as fast as it can be read, several by a pattern as one result, packed ones unpacked."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from dataops_defs.adapters.sources.base import Reading, SourceAdapter
from dataops_defs.adapters.sources.csv.file import CsvSource
from dataops_defs.adapters.sources.excel.file import ExcelSource
from dataops_defs.adapters.sources.files.source import FileSource
from dataops_defs.adapters.storage.glob import is_pattern
from dataops_defs.adapters.storage.roots_files import RootFiles
from dataops_defs.domain.columns import Preview
from dataops_defs.domain.extraction import Extraction, FileFormat


@dataclass(frozen=True)
class LocalFiles:
    """CSV files or workbooks below the roots: ``one`` plain file, or all that match a pattern."""

    one: CsvSource | ExcelSource

    def test(self) -> str:
        """As of one file; files that match a pattern are counted."""
        return self.reader().test()

    def preview(self, extraction: Extraction, limit: int) -> Preview:
        """The first rows."""
        return self.reader(extraction).preview(extraction, limit)

    def read(self, extraction: Extraction) -> AbstractContextManager[Reading]:
        """All rows."""
        return self.reader(extraction).read(extraction)

    def reader(self, extraction: Extraction | None = None) -> SourceAdapter:
        """What reads it: ``one`` itself for a plain file."""
        base = str(self.one.source.connection["path"]).removeprefix("./")
        path = (extraction and extraction.path) or base
        if not is_pattern(f"{base}/{path}") and not path.endswith(".gz"):
            return self.one
        format = FileFormat.CSV if isinstance(self.one, CsvSource) else FileFormat.EXCEL
        folder = "" if base == "." else base
        return FileSource(self.one.source, lambda: nullcontext(RootFiles(self.one.roots)), folder, format=format)
