"""The suite's settings with an engine that takes its time."""

from tests.settings import *  # noqa: F403
from tests.settings import OPENCLAW_WEBHOOKS as USUAL

OPENCLAW_WEBHOOKS = USUAL | {"ENGINE": "tests.doors.slow_engine.SlowEngine", "RECORD_CALLS": False}
