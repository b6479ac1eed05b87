"""A route's ``secret`` as configured: text written inline, or a reference that is resolved on each request.

Source: specification.txt ("Configure routes"), contract.md section 2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, get_args

SecretSource: TypeAlias = Literal["env", "file", "exec", "store"]
SECRET_SOURCES: Final[tuple[SecretSource, ...]] = get_args(SecretSource)

SINGLE_VALUE_ID: Final = "value"
"""The only id of a ``singleValue`` file."""

VARIABLE: Final = re.compile(r"\$(\$?)\{([A-Z_][A-Z0-9_]*)\}")
"""``${NAME}``; the first group is not empty where it is escaped, ``$${NAME}``."""

_PROVIDER = re.compile(r"[a-z][a-z0-9_-]{0,63}\Z")
_ENV_ID = re.compile(r"[A-Z][A-Z0-9_]{0,127}\Z")
_EXEC_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/#-]{0,255}\Z")
_POINTER = re.compile(r"(?:/(?:[^/~]|~[01])*)+\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class InlineSecret:
    """A secret written into the configuration, trimmed; hidden from ``repr``."""

    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is to be found. Hashable: equal references share one running resolution."""

    source: SecretSource
    provider: str
    id: str

    def __str__(self) -> str:
        """Return ``source:provider:id`` for the operator; names, never a value."""
        return f"{self.source}:{self.provider}:{self.id}"


Secret: TypeAlias = InlineSecret | SecretRef


def holds_reference(text: str) -> bool:
    """Tell whether a ``${NAME}`` in the text waits to be replaced: such a text is a template, and no secret."""
    return any(not found[1] for found in VARIABLE.finditer(text))


def is_provider_name(name: str) -> bool:
    """Tell whether ``name`` can name a provider."""
    return _PROVIDER.match(name) is not None


def is_env_id(text: str) -> bool:
    """Tell whether ``text`` can be the id of an env reference: the name of an environment variable."""
    return _ENV_ID.match(text) is not None


def is_exec_id(text: str) -> bool:
    """Tell whether ``text`` can be the id of an exec reference; ``.`` and ``..`` are no path segments of one."""
    return _EXEC_ID.match(text) is not None and not {".", ".."} & set(text.split("/"))


def parse_pointer(text: str) -> tuple[str, ...] | None:
    """Return the unescaped segments of a JSON pointer, ``None`` where it is malformed or points at the whole document.

    Source: RFC 6901 sections 3 and 4.
    """
    if not _POINTER.match(text):
        return None
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])
