"""The stand-alone server's settings, with as much watching as the environment's ``BENCH_WATCH`` says.

Lines of log go to a file that is thrown away: standard output belongs to whoever started the child.
"""

from __future__ import annotations

import os
from typing import Any, Final

from project.settings import *  # noqa: F403 - all of them but what follows
from project.settings import LOGGING, OPENCLAW_WEBHOOKS

_WATCHES: Final[dict[str, dict[str, Any]]] = {
    "nothing": {"RECORD_CALLS": False, "METRICS": False, "CALL_LOG": "off"},
    "records": {"RECORD_CALLS": True, "METRICS": False, "CALL_LOG": "off"},
    "records and metrics": {"RECORD_CALLS": True, "METRICS": True, "CALL_LOG": "off"},
    "records, metrics and a line each": {"RECORD_CALLS": True, "METRICS": True, "CALL_LOG": "all"},
}
OPENCLAW_WEBHOOKS = {
    **OPENCLAW_WEBHOOKS,
    "METRICS_TOKEN": "a-token-of-the-benchmarks",
    **_WATCHES[os.environ["BENCH_WATCH"]],
}
LOGGING = {
    **LOGGING,
    "handlers": {
        "stdout": {
            "class": "logging.FileHandler",
            "filename": os.environ["BENCH_LOG"],
            **{key: LOGGING["handlers"]["stdout"][key] for key in ("formatter", "filters")},
        }
    },
}
