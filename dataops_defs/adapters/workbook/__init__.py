"""Excel workbooks: rows stream into sheets, and what speaks of them (summary, charts, provenance) is drawn around."""
