"""Reads an OpenClaw configuration file with everything that it includes.

Only what this app reads is followed: an include in another section is left alone, present or not.

Source: the Gateway's documentation ("Config includes") and what 2026.7.1 was seen to do: one file replaces the object
that includes it, a list is merged in order, sibling keys come last; objects merge deeply, lists are joined; paths are
relative to the including file and stay inside the main file's folder, or those that OPENCLAW_INCLUDE_ROOTS names.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from openclaw_webhooks.conf.documents import DocumentError, parse_document, read_content
from openclaw_webhooks.conf.problems import Problem, ProblemKind
from openclaw_webhooks.secrets.trust import expand_home

INCLUDE_KEY: Final = "$include"
INCLUDE_ROOTS_VARIABLE: Final = "OPENCLAW_INCLUDE_ROOTS"
MAX_INCLUDE_DEPTH: Final = 10
MAX_PATH_CHARACTERS: Final = 4096
READ_SECTIONS: Final = (
    ("env",),
    ("secrets",),
    ("gateway", "trustedProxies"),
    ("gateway", "allowRealIpFallback"),
    ("plugins", "entries", "webhooks"),
)


@dataclass(slots=True)
class LoadedFile:
    """A configuration file as it was found.

    Attributes:
        document: The merged document, ``None`` where there is none or none could be read.
        fingerprints: Of every file that was read, ``None`` for one that was missing; what a change is told by.
    """

    document: Mapping[str, object] | None = field(default=None, repr=False)
    fingerprints: dict[Path, bytes | None] = field(default_factory=dict, repr=False)
    problems: list[Problem] = field(default_factory=list)


def load_file(path: Path, *, is_explicit: bool, environ: Mapping[str, str]) -> LoadedFile:
    """Read the file and what it includes. Never raises for what is in them, or missing."""
    loaded = LoadedFile()
    try:
        document = _read(path, loaded)
    except FileNotFoundError:
        if is_explicit:
            loaded.problems.append(Problem(str(path), "does not exist", ProblemKind.FILE))
        return loaded
    except DocumentError as error:
        loaded.problems.append(Problem(str(path), str(error), ProblemKind.FILE))
        return loaded
    try:
        merged = _Includer(path, environ, loaded).resolve(document, (), (path,))
    except RecursionError:
        loaded.problems.append(Problem(str(path), "is nested too deeply, with what it includes", ProblemKind.FILE))
        return loaded
    if isinstance(merged, dict):
        loaded.document = merged
    else:
        loaded.problems.append(Problem(str(path), "does not hold an object", ProblemKind.FILE))
    return loaded


def merge(base: object, over: object) -> object:
    """Merge as the Gateway does: objects deeply, lists joined, anything else replaced."""
    if isinstance(base, dict) and isinstance(over, dict):
        merged = dict(base)
        for key, value in over.items():
            merged[key] = merge(merged[key], value) if key in merged else value
        return merged
    if isinstance(base, list) and isinstance(over, list):
        return [*base, *over]
    return over


def _read(path: Path, loaded: LoadedFile, *, may_be_linked: bool = True) -> object:
    loaded.fingerprints[path] = None
    file = read_content(path)
    loaded.fingerprints[path] = file.fingerprint
    if file.links > 1 and not may_be_linked:
        raise DocumentError("has more than one hard link")
    return parse_document(file.content)


def _is_read(place: tuple[str, ...]) -> bool:
    return any(place[: len(section)] == section[: len(place)] for section in READ_SECTIONS)


class _Includer:
    """Follows the includes of one file. ``place`` is where in the document, ``chain`` the files that led there."""

    def __init__(self, main: Path, environ: Mapping[str, str], loaded: LoadedFile) -> None:
        self._loaded = loaded
        named = environ.get(INCLUDE_ROOTS_VARIABLE, "").split(os.pathsep)
        roots = [str(main.parent), *(expand_home(root, environ) for root in named if root.strip())]
        self._roots = [Path(os.path.realpath(root)) for root in roots if Path(root).is_absolute()]

    def resolve(self, value: object, place: tuple[str, ...], chain: tuple[Path, ...]) -> object:
        """Return ``value`` with its includes merged in, and without what this app does not read."""
        if isinstance(value, list):
            return [self.resolve(item, place, chain) for item in value]
        if not isinstance(value, dict):
            return value
        siblings = {
            key: self.resolve(item, (*place, key), chain)
            for key, item in value.items()
            if key != INCLUDE_KEY and _is_read((*place, key))
        }
        if INCLUDE_KEY not in value:
            return siblings
        included = self._include(value[INCLUDE_KEY], place, chain)
        if siblings and not isinstance(included, dict):
            self._report(place, "has keys beside it, so what it includes must be an object")
            return siblings
        return merge(included, siblings) if siblings else included

    def _include(self, named: object, place: tuple[str, ...], chain: tuple[Path, ...]) -> object:
        if isinstance(named, str):
            return self._include_file(named, place, chain)
        if not isinstance(named, list) or not all(isinstance(item, str) for item in named):
            self._report(place, "must be a path or a list of paths")
            return {}
        included: object = {}
        for item in named:
            included = merge(included, self._include_file(item, place, chain))
        return included

    def _include_file(self, named: str, place: tuple[str, ...], chain: tuple[Path, ...]) -> object:
        try:
            path = self._find(named, chain)
            document = _read(path, self._loaded, may_be_linked=False)
        except FileNotFoundError:
            self._report(place, f"names a file that does not exist: {named}")
            return {}
        except DocumentError as error:
            self._report(place, f"{named} {error}")
            return {}
        return self.resolve(document, place, (*chain, path))

    def _find(self, named: str, chain: tuple[Path, ...]) -> Path:
        if "\0" in named or not named.strip() or len(named) >= MAX_PATH_CHARACTERS:
            raise DocumentError("is not a usable path")
        target = Path(os.path.realpath(chain[-1].parent / named))
        if not any(target.is_relative_to(root) for root in self._roots):
            raise DocumentError(f"lies outside the configuration's folder (and of {INCLUDE_ROOTS_VARIABLE})")
        if target in (*chain[1:], Path(os.path.realpath(chain[0]))):
            raise DocumentError("includes itself")
        if len(chain) > MAX_INCLUDE_DEPTH:
            raise DocumentError(f"is included more than {MAX_INCLUDE_DEPTH} levels deep")
        return target

    def _report(self, place: tuple[str, ...], message: str) -> None:
        self._loaded.problems.append(Problem(".".join((*place, INCLUDE_KEY)), message, ProblemKind.FILE))
