"""What both of the stand-alone server's doors ask of a request's head beside what their parsers check.

Source: RFC 9112 section 3.2; contract.md section 3.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

MAX_HEAD_BYTES: Final = 16_384
"""Of a request's head, trailer fields included: what the real Gateway takes."""
_FORBIDDEN: Final = re.compile(rb"[\x00-\x20\x7f/?#@\\]")


def is_host_valid(hosts: Sequence[bytes], http_version: str) -> bool:
    """Tell whether the ``Host`` fields are those of one origin: HTTP/1.1 has exactly one, HTTP/1.0 at most one.

    Args:
        hosts: The values of all ``Host`` fields, without the white space around them.
        http_version: ``"1.1"``, ``"1.0"``.
    """
    if len(hosts) != 1:
        return not hosts and http_version == "1.0"
    return _FORBIDDEN.search(hosts[0]) is None
