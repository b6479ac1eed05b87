"""The one place where names cross between the wire's camelCase and Python's snake_case.

The wire's names are the contract; Python's are theirs with an underscore before each capital. Knows neither Django
nor HTTP.
"""

from __future__ import annotations


def to_wire_name(name: str) -> str:
    """Turn a Python name into the wire's: ``expected_revision`` into ``expectedRevision``.

    A unit suffix of milliseconds is dropped, because the wire's times are all milliseconds: ``created_at_ms`` is
    ``createdAt``.
    """
    head, *rest = name.removesuffix("_ms").split("_")
    return head + "".join(word.capitalize() for word in rest)
