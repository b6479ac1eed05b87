"""Reads the fields of one mapping, trims and judges them, and notes every problem instead of raising.

The same rules serve Django settings and the sections of an OpenClaw file. A faulty field reads as its default, so that
one fault never hides the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite

from openclaw_webhooks.conf.problems import Problem, ProblemKind
from openclaw_webhooks.values import WHITE_SPACE


class Fields:
    """The fields of one mapping and where its problems go.

    Every reader method marks its name as known; ``reject_unknown`` then reports what is left.
    """

    def __init__(
        self, raw: Mapping[str, object], path: str, problems: list[Problem], kind: ProblemKind, *, form: str = "{}.{}"
    ) -> None:
        """Read ``raw``, which stands at the dotted ``path``; ``form`` joins the path and a field's name."""
        self.raw, self.path, self.problems, self.kind, self._form = raw, path, problems, kind, form
        self._known: set[str] = set()

    def path_of(self, name: str) -> str:
        """Return the dotted path of one field."""
        return self._form.format(self.path, name)

    def report(self, name: str, message: str) -> None:
        """Note a problem with one field, unless it has one already: the first names the cause."""
        self._report_at(self.path_of(name), message)

    def _report_at(self, path: str, message: str) -> None:
        if all(problem.path != path for problem in self.problems):
            self.problems.append(Problem(path, message, self.kind))

    def has(self, name: str) -> bool:
        """Tell whether the field was given, and mark it as known."""
        self._known.add(name)
        return name in self.raw

    def text(self, name: str, *, default: str = "", required: bool = False) -> str:
        """Read text, trimmed and not blank."""
        if not self.has(name):
            if required:
                self.report(name, "is required")
            return default
        value, fault = check_text(self.raw[name])
        if fault or not value:
            self.report(name, fault or "must not be blank")
            return default
        return value

    def note(self, name: str) -> str:
        """Read text that may be blank."""
        if not self.has(name):
            return ""
        value, fault = check_text(self.raw[name])
        if fault:
            self.report(name, fault)
        return value

    def choice(self, name: str, choices: Sequence[str], *, default: str) -> str:
        """Read one of ``choices``."""
        value = self.text(name, default=default)
        if value in choices:
            return value
        self.report(name, f"must be one of {', '.join(choices)}")
        return default

    def flag(self, name: str, *, default: bool) -> bool:
        """Read true or false."""
        if not self.has(name):
            return default
        value = self.raw[name]
        if isinstance(value, bool):
            return value
        self.report(name, "must be true or false")
        return default

    def whole(self, name: str, *, default: int, minimum: int = 1) -> int:
        """Read a whole number; ``5000.0`` is one, ``true`` is not."""
        if not self.has(name):
            return default
        value = self.raw[name]
        number = _as_number(value)
        if number is not None and number == int(number) and number >= minimum:
            return int(number)
        self.report(name, f"must be a whole number of at least {minimum}")
        return default

    def number(self, name: str, *, default: float, minimum: float = 0.0) -> float:
        """Read a finite number."""
        if not self.has(name):
            return default
        number = _as_number(self.raw[name])
        if number is not None and number >= minimum:
            return float(number)
        self.report(name, f"must be a number of at least {minimum:g}")
        return default

    def texts(self, name: str) -> tuple[str, ...]:
        """Read a list of texts, each trimmed and not blank; a faulty one is reported by its index and left out."""
        if not self.has(name):
            return ()
        value = self.raw[name]
        if not isinstance(value, (list, tuple)):
            self.report(name, "must be a list of strings")
            return ()
        return tuple(self._good_items(name, value))

    def mapping(self, name: str) -> Mapping[str, object]:
        """Read an object whose keys are text; a given one that is none reads as empty."""
        if not self.has(name):
            return {}
        value = as_object(self.raw[name])
        if value is None:
            self.report(name, "must be an object")
            return {}
        return value

    def reject_unknown(self) -> None:
        """Report every field that no reader asked for."""
        for name in self.raw:
            if name not in self._known:
                self.report(str(name), "is not a known field")

    def _good_items(self, name: str, items: Sequence[object]) -> Iterator[str]:
        for index, item in enumerate(items):
            text, fault = check_text(item)
            if fault or not text:
                self._report_at(f"{self.path_of(name)}.{index}", fault or "must not be blank")
            else:
                yield text


def as_object(value: object) -> Mapping[str, object] | None:
    """Return ``value`` if it is a mapping whose keys are text."""
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return value
    return None


def check_text(value: object) -> tuple[str, str]:
    """Return ``value`` trimmed, and what is wrong with it (``""`` where nothing is; the text is then usable)."""
    if not isinstance(value, str):
        return "", "must be a string"
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        return "", "must be text without NUL characters and lone surrogates"
    return value.strip(WHITE_SPACE), ""


def _as_number(value: object) -> float | int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if isinstance(value, int) or isfinite(value) else None
