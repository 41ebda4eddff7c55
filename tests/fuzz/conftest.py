"""How many cases: few among the tests, `TRIPLEHEAD_FUZZ=2500` in the long form of `make torture`."""

import os

from hypothesis import HealthCheck, settings

CASES = int(os.environ.get("TRIPLEHEAD_FUZZ", "40"))

settings.register_profile(
    "here",
    max_examples=CASES,
    deadline=20_000,  # milliseconds: a parser that hangs on a small file
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("here")
