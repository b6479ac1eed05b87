"""What is wrong, or unwise, with a configuration: values, because all of it is reported together.

Neither a path nor a message ever carries the value of a secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ProblemKind(StrEnum):
    """The rule that was broken; ``checks`` gives each a stable id."""

    SETTINGS = "settings"
    FILE = "file"
    ROUTE = "route"
    SAME_PATH = "same_path"
    SECRETS = "secrets"
    VARIABLE = "variable"
    GATEWAY = "gateway"
    SHORT_SECRET = "short_secret"  # noqa: S105 - a name, not a secret
    SHARED_SECRET = "shared_secret"  # noqa: S105
    INLINE_SECRET = "inline_secret"  # noqa: S105
    UNSUPPORTED_REF = "unsupported_ref"
    UNREACHABLE_PATH = "unreachable_path"


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding.

    Attributes:
        path: Full dotted path of the field: ``plugins.entries.webhooks.config.routes.zapier.sessionKey`` in a file,
            ``OPENCLAW_WEBHOOKS["ROUTES"].zapier.sessionKey`` in settings; the file's own path where the whole file is
            at fault.
        message: What is wrong with it, in words.
        kind: The rule behind it.
    """

    path: str
    message: str
    kind: ProblemKind = ProblemKind.ROUTE

    def __str__(self) -> str:
        """Return one line for the operator."""
        return f"{self.path}: {self.message}"
