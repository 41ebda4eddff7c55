from tests.report.conftest import fabricate, smoke  # noqa: F401  the same made-up results
