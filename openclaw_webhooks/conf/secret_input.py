"""Reads a secret as it is configured: text, ``${NAME}``, or a SecretRef object.

Source: contract.md sections 1 and 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from openclaw_webhooks.conf.fields import Fields, as_object, check_text
from openclaw_webhooks.conf.problems import ProblemKind
from openclaw_webhooks.conf.variables import Variables, parse_exact_variable
from openclaw_webhooks.secrets.refs import (
    SECRET_SOURCES,
    InlineSecret,
    Secret,
    SecretRef,
    SecretSource,
    is_env_id,
)


@dataclass(frozen=True, slots=True)
class SecretInputs:
    """What a secret's text may refer to: the variables of the file, and the provider that ``${NAME}`` goes through."""

    variables: Variables
    env_alias: str

    def parse(self, fields: Fields, name: str) -> Secret | None:
        """Read a required secret; ``None``, and what is wrong reported, where it is missing or faulty."""
        if not fields.has(name):
            fields.report(name, "is required")
            return None
        value = fields.raw[name]
        if isinstance(value, str):
            return self._parse_text(value, fields, name)
        raw = as_object(value)
        if raw is None:
            fields.report(name, "must be a string or a SecretRef object")
            return None
        return self._parse_ref(raw, fields, name)

    def _parse_text(self, value: str, fields: Fields, name: str) -> Secret | None:
        variable = parse_exact_variable(fields.text(name))
        if variable is not None and is_env_id(variable):
            return SecretRef("env", self.env_alias, variable)
        template = self.variables.find_template(value)
        if template is not None:
            fields.report(name, f"uses the environment variable {template}, which holds a ${{NAME}} itself")
            return None
        expanded, fault = check_text(self.variables.expand(value, fields.path_of(name), fields.problems))
        if fault or not expanded:
            fields.report(name, fault or "must not be blank")
            return None
        return InlineSecret(expanded)

    def _parse_ref(self, raw: Mapping[str, object], fields: Fields, name: str) -> SecretRef:
        place = fields.path_of(name)
        expanded = {key: self.variables.expand(value, f"{place}.{key}", fields.problems) for key, value in raw.items()}
        ref = Fields(expanded, place, fields.problems, ProblemKind.ROUTE)
        source = ref.text("source", required=True)
        if source and source not in SECRET_SOURCES:
            ref.report("source", f"must be one of {', '.join(SECRET_SOURCES)}")
        provider, secret_id = ref.text("provider", required=True), ref.text("id", required=True)
        ref.reject_unknown()
        return SecretRef(cast("SecretSource", source), provider, secret_id)
