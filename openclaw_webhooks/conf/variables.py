"""Replaces ``${NAME}`` in the strings of a configuration, once, when it is loaded.

Source: the Gateway's documentation ("Env var substitution"): names are ``[A-Z_][A-Z0-9_]*``, ``$${NAME}`` stands for a
literal ``${NAME}``, a missing or empty variable is an error; ``env.vars`` and the strings of ``env`` never override the
process's environment. As the Gateway does: a text of ``env`` without a reference is literal, one with references is
replaced once, and what still holds one then is no value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from openclaw_webhooks.conf.problems import Problem, ProblemKind
from openclaw_webhooks.secrets.refs import VARIABLE, holds_reference


@dataclass(frozen=True, slots=True)
class Variables:
    """The environment as a configuration sees it; values are hidden from ``repr``."""

    environ: Mapping[str, str] = field(repr=False)
    config_env: Mapping[str, str] = field(repr=False)

    def read(self, name: str) -> str:
        """Return one variable, ``""`` where it is not set."""
        return self.environ.get(name) or self.config_env.get(name, "")

    def find_template(self, text: str) -> str | None:
        """Return the name of a variable in ``text`` whose own value still holds a reference."""
        names = (found[2] for found in VARIABLE.finditer(text) if not found[1])
        return next((name for name in names if holds_reference(self.read(name))), None)

    def expand(self, value: object, path: str, problems: list[Problem]) -> object:
        """Return ``value`` with every string in it expanded; a missing variable is reported at its dotted path."""
        if isinstance(value, str):
            return self._expand_text(value, path, problems)
        if isinstance(value, Mapping):
            return {key: self.expand(item, f"{path}.{key}", problems) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.expand(item, f"{path}.{index}", problems) for index, item in enumerate(value)]
        return value

    def _expand_text(self, text: str, path: str, problems: list[Problem]) -> str:
        def replace(found: re.Match[str]) -> str:
            if found[1]:
                return found[0][1:]
            value = self.read(found[2])
            if not value:
                message = f"names the environment variable {found[2]}, which is not set or empty"
                problems.append(Problem(path, message, ProblemKind.VARIABLE))
            return value

        return VARIABLE.sub(replace, text)


def parse_exact_variable(text: str) -> str | None:
    """Return ``NAME`` where the trimmed text is exactly ``${NAME}``."""
    found = VARIABLE.fullmatch(text)
    return found[2] if found and not found[1] else None


def read_config_env(
    document: Mapping[str, object], environ: Mapping[str, str], problems: list[Problem]
) -> Mapping[str, str]:
    """Return the variables of the ``env`` section: its strings, and those of ``env.vars``, which win.

    One whose references have no value is ``""``: a fault only where something needs it.
    """
    section = document.get("env", {})
    if not isinstance(section, Mapping):
        problems.append(Problem("env", "must be an object", ProblemKind.VARIABLE))
        return {}
    direct = {name: value for name, value in section.items() if isinstance(value, str)}
    texts = {**direct, **_read_vars(section.get("vars", {}), problems)}
    literal = {name: text for name, text in texts.items() if not holds_reference(text)}
    known = Variables(environ, literal)
    return {name: literal[name] if name in literal else _fill_in(known, text) for name, text in texts.items()}


def _fill_in(known: Variables, text: str) -> str:
    missing: list[Problem] = []
    filled = known.expand(text, "env", missing)
    return filled if isinstance(filled, str) and not missing and not holds_reference(filled) else ""


def _read_vars(section: object, problems: list[Problem]) -> dict[str, str]:
    if not isinstance(section, Mapping):
        problems.append(Problem("env.vars", "must be an object", ProblemKind.VARIABLE))
        return {}
    for name, value in section.items():
        if not isinstance(value, str):
            problems.append(Problem(f"env.vars.{name}", "must be a string", ProblemKind.VARIABLE))
    return {name: value for name, value in section.items() if isinstance(value, str)}
