"""How many cases: few and the same each time among the tests; `TRIPLEHEAD_FUZZ=2500` and others each time, of
pytest's `--hypothesis-seed`, in the long form of `make torture`."""

import os

from hypothesis import HealthCheck, settings

LONG = os.environ.get("TRIPLEHEAD_FUZZ")

settings.register_profile(
    "here",
    max_examples=int(LONG or 40),
    deadline=20_000,  # milliseconds: a parser that hangs on a small file
    derandomize=LONG is None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("here")
