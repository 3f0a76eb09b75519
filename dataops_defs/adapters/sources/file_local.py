"""Local files as sources: one as fast as it can be read, several by a pattern as one result, packed ones unpacked."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from dataops_defs.adapters.sources.base import Reading
from dataops_defs.adapters.sources.csv_file import CsvSource
from dataops_defs.adapters.sources.excel_file import ExcelSource
from dataops_defs.adapters.sources.file_source import FileSource
from dataops_defs.adapters.storage.glob import is_pattern
from dataops_defs.adapters.storage.roots_files import RootFiles
from dataops_defs.domain.columns import Preview
from dataops_defs.domain.extraction import Extraction, FileFormat


def _several(source: CsvSource | ExcelSource, extraction: Extraction | None = None) -> FileSource | None:
    """The source for what is more than one plain file; None for one."""
    base = str(source.source.connection["path"]).removeprefix("./")
    path = (extraction and extraction.path) or base
    if not is_pattern(f"{base}/{path}") and not path.endswith(".gz"):
        return None
    format = FileFormat.CSV if isinstance(source, CsvSource) else FileFormat.EXCEL
    folder = "" if base == "." else base
    return FileSource(source.source, lambda: nullcontext(RootFiles(source.roots)), folder, format=format)


class LocalCsv(CsvSource):
    """CSV files below the roots."""

    def test(self) -> str:
        """As of one file; files that match a pattern are counted."""
        several = _several(self)
        return several.test() if several else super().test()

    def preview(self, extraction: Extraction, limit: int) -> Preview:
        """The first rows."""
        several = _several(self, extraction)
        return several.preview(extraction, limit) if several else super().preview(extraction, limit)

    @contextmanager
    def read(self, extraction: Extraction) -> Iterator[Reading]:
        """All rows."""
        several = _several(self, extraction)
        with several.read(extraction) if several else super().read(extraction) as reading:
            yield reading


class LocalExcel(ExcelSource):
    """Workbooks below the roots."""

    def test(self) -> str:
        """As of one workbook; those that match a pattern are counted."""
        several = _several(self)
        return several.test() if several else super().test()

    def preview(self, extraction: Extraction, limit: int) -> Preview:
        """The first rows."""
        several = _several(self, extraction)
        return several.preview(extraction, limit) if several else super().preview(extraction, limit)

    @contextmanager
    def read(self, extraction: Extraction) -> Iterator[Reading]:
        """All rows."""
        several = _several(self, extraction)
        with several.read(extraction) if several else super().read(extraction) as reading:
            yield reading
