"""``manage.py webhooks_gateway install|check|config``: put the plugin into a Gateway, and find out what is wrong."""

from __future__ import annotations

import argparse
import difflib
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from django.core.management.base import CommandError, CommandParser

from openclaw_webhooks.conf.configuration import get_configuration
from openclaw_webhooks.conf.location import resolve_config_path
from openclaw_webhooks.conf.settings import get_settings
from openclaw_webhooks.gateway_setup.configuration import PLUGIN_FOLDER, add_plugin
from openclaw_webhooks.gateway_setup.diagnosis import Verdict, diagnose
from openclaw_webhooks.gateway_setup.files import NotWritten, copy_plugin, read_plain_json, replace_config
from openclaw_webhooks.management.base import WebhooksCommand

_STANDALONE_SETTINGS: Final = "project.settings"


class Command(WebhooksCommand):
    """Nothing is written without being asked for, and nothing is overwritten silently."""

    help = "Install this app's plugin into an OpenClaw Gateway, print the configuration it needs, or check the two."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the three subcommands."""
        commands = parser.add_subparsers(dest="what", required=True, metavar="install|check|config")
        config = commands.add_parser("config", help="print the lines that an openclaw.json needs")
        install = commands.add_parser("install", help="copy the plugin, and show or write those lines")
        check = commands.add_parser("check", help="say in plain words what is wrong; exit status 1 where something is")
        for each in (config, install):
            each.add_argument(
                "--hosted", action="store_true", help="the Gateway starts this server and serves its routes"
            )
            each.add_argument("--port", type=_port, help="bridge over this loopback port, not the unix socket")
            each.add_argument("--folder", type=Path, help="where the plugin is or goes (default: in this package)")
        install.add_argument("--config", type=Path, help="the openclaw.json (default: the one that this app reads)")
        install.add_argument("--write", action="store_true", help="change that file, and keep the old one beside it")
        install.add_argument("--force", action="store_true", help="replace files of the plugin that differ")
        check.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *_args: object, **options: Any) -> None:
        """Do one of the three."""
        try:
            {"config": self._print_config, "install": self._install, "check": self._check}[options["what"]](options)
        except NotWritten as error:
            raise CommandError(str(error)) from error

    def _print_config(self, options: dict[str, Any]) -> None:
        self.stdout.write(_format(_add_plugin({}, options)))

    def _install(self, options: dict[str, Any]) -> None:
        if options["folder"]:
            changed = copy_plugin(_folder_of(options), force=options["force"])
            self.stdout.write(f"{len(changed)} files of the plugin written to {_folder_of(options)}.")
        path: Path = options["config"] or resolve_config_path(get_settings(), os.environ).path
        if not options["write"]:
            self.stdout.write(f"Add to {path}, or have it done with --write, and restart the Gateway:\n")
            self._print_config(options)
            return
        before = read_plain_json(path)
        after = _add_plugin(before, options)
        if after == before:
            self.stdout.write(f"{path} has everything already.")
            return
        kept = replace_config(path, after)
        self.stdout.write(_tell_difference(before, after))
        self.stdout.write(f"{path} is changed; the old one is {kept}. Restart the Gateway.")

    def _check(self, options: dict[str, Any]) -> None:
        findings = list(diagnose(get_settings(), get_configuration()))
        if options["json"]:
            told = [{"verdict": finding.verdict, "text": finding.text} for finding in findings]
            self.stdout.write(json.dumps(told, indent=2))
        else:
            styles = {Verdict.OK: self.style.SUCCESS, Verdict.NOTE: self.style.WARNING, Verdict.FAULT: self.style.ERROR}
            for finding in findings:
                self.stdout.write(f"{styles[finding.verdict](f'{finding.verdict:5}')} {finding.text}")
        faults = sum(finding.verdict is Verdict.FAULT for finding in findings)
        if faults:
            raise CommandError(f"{faults} fault{'s' * (faults > 1)} found.")


def _add_plugin(base: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    plugin_config: dict[str, Any] = {}
    if options["port"]:
        # The Gateway resolves ${NAME}: the token stays out of the file and out of this command's output.
        plugin_config["bridge"] = {"port": options["port"], "token": "${OPENCLAW_WEBHOOKS_BRIDGE_TOKEN}"}
    if options["hosted"]:
        plugin_config["host"] = {"enabled": True, **_describe_server()}
    return add_plugin(base, plugin_config=plugin_config, plugin_folder=_folder_of(options))


def _describe_server() -> dict[str, Any]:
    """Return how the Gateway starts the stand-alone server that this command belongs to."""
    spec = (
        importlib.util.find_spec("project.serve")
        if os.environ.get("DJANGO_SETTINGS_MODULE") == _STANDALONE_SETTINGS
        else None
    )
    if spec is None or spec.origin is None:
        raise CommandError(
            "--hosted needs the stand-alone server: run this command in its checkout. A Gateway can host a project of "
            "your own too: docs/gateway.md says what its command has to do."
        )
    return {"command": [sys.executable, "-m", "project.serve"], "cwd": str(Path(spec.origin).resolve().parent.parent)}


def _folder_of(options: dict[str, Any]) -> Path:
    folder: Path | None = options["folder"]
    return folder.expanduser().absolute() if folder else PLUGIN_FOLDER


def _format(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)


def _tell_difference(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Return the lines that were added; lines around them may hold secrets and are left out."""
    lines = difflib.unified_diff(_format(before).splitlines(), _format(after).splitlines(), lineterm="", n=0)
    return "\n".join(line for line in lines if line.startswith("+") and not line.startswith("+++"))


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise argparse.ArgumentTypeError("must be a port from 1 to 65535")
    return int(text)
