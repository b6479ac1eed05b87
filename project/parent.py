"""Ends this server with the Gateway that hosts it, also where that was killed and could not say so. Linux."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def end_with_parent() -> None:
    """Have the kernel send SIGTERM to this process once its parent is gone; outlasts ``execv``.

    Elsewhere than on Linux nothing is done: the next start of the host waits for the old server's socket.

    Source: prctl(2), PR_SET_PDEATHSIG.
    """
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:  # It went in between.
        raise SystemExit(1)
