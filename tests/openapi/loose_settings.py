"""The stand-alone server's settings with limits that a generator of requests does not reach."""

from project.settings import *  # noqa: F403
from project.settings import OPENCLAW_WEBHOOKS as USUAL

OPENCLAW_WEBHOOKS = USUAL | {"LIMITS": {"live": {"RATE": 1_000_000, "IN_FLIGHT": 100}}}
