"""A new secret ends up where its SecretRef points; ``webhooks_check`` says what to do about each trouble."""

from __future__ import annotations

import contextlib
import json
import stat
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from openclaw_webhooks.conf.configuration import get_configuration
from openclaw_webhooks.engines.embedded import EmbeddedEngine
from openclaw_webhooks.exceptions import EngineUnavailable
from openclaw_webhooks.management.routes import build_resolver

pytestmark = pytest.mark.django_db(transaction=True)
OLD = "an-old-secret-that-nobody-prints"


def file_ref(pointer: str) -> dict[str, str]:
    return {"source": "file", "provider": "vault", "id": pointer}


def build_settings(path: Path, secret: object, *, mode: str = "json", **route: object) -> dict[str, Any]:
    providers = {"vault": {"source": "file", "path": str(path), "mode": mode}}
    return {
        "ROUTES": {"ci": {"sessionKey": "agent:main:main", "secret": secret, **route}},
        "SECRETS": {"providers": providers},
    }


def run(settings: dict[str, Any], *arguments: str) -> str:
    out = StringIO()
    with override_settings(OPENCLAW_WEBHOOKS=settings):
        call_command(*arguments, stdout=out, no_color=True)
    return out.getvalue()


def resolves_to(settings: dict[str, Any]) -> str:
    with override_settings(OPENCLAW_WEBHOOKS=settings):
        (route,) = get_configuration().routes
        return build_resolver().fetch(route.secret).result(5)


@pytest.mark.parametrize("mode", ["json", "singleValue"])
def test_a_secret_is_made_stored_privately_and_replaced_by_force_alone(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    settings = build_settings(path, file_ref("/hooks/a~1b" if mode == "json" else "value"), mode=mode)
    made = run(settings, "webhooks_secret", "ci").split()[-1]
    assert resolves_to(settings) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_text()
    with pytest.raises(CommandError, match="--force") as refused:
        run(settings, "webhooks_secret", "ci")
    assert made not in str(refused.value)
    assert path.read_text() == before
    told = run(settings, "webhooks_secret", "ci", "--force")
    assert made not in told
    assert resolves_to(settings) == told.split()[-1]
    assert [each.name for each in tmp_path.iterdir()] == ["secrets.json"]


def test_the_rest_of_a_file_of_secrets_stays(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(json.dumps({"other": OLD}))
    path.chmod(0o600)
    assert OLD not in run(build_settings(path, file_ref("/ci")), "webhooks_secret", "ci")
    assert json.loads(path.read_text())["other"] == OLD


@pytest.mark.parametrize(
    ("text", "pointer", "why"),
    [("{", "/ci", "no JSON"), ('{"a": "x"}', "/a/b", "no object"), ("[]", "/a", "no object")],
)
def test_a_file_that_cannot_take_it_is_left_alone(text: str, pointer: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(text)
    with pytest.raises(CommandError, match=why):
        run(build_settings(path, file_ref(pointer)), "webhooks_secret", "ci")
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("reference", "mode", "why"),
    [("ci", "json", "JSON pointer"), ("/", "json", None), ("other", "singleValue", 'is "value"')],
)
def test_a_reference_that_can_never_resolve_stores_nothing(
    reference: str, mode: str, why: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "secrets.json"
    settings = build_settings(path, file_ref(reference), mode=mode)
    if why is None:
        made = run(settings, "webhooks_secret", "ci").split()[-1]
        assert resolves_to(settings) == made
        return
    with pytest.raises(CommandError, match=why):
        run(settings, "webhooks_secret", "ci")
    assert not path.exists()


def test_a_link_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("{}")
    (tmp_path / "secrets.json").symlink_to(tmp_path / "real.json")
    with pytest.raises(CommandError, match="symbolic link"):
        run(build_settings(tmp_path / "secrets.json", file_ref("/ci")), "webhooks_secret", "ci")
    assert (tmp_path / "real.json").read_text() == "{}"


def test_what_was_stored_and_does_not_resolve_is_said(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    settings = build_settings(path, file_ref("/ci"))
    settings["SECRETS"]["providers"]["vault"]["maxBytes"] = 10
    with pytest.raises(CommandError, match="larger than 10 bytes") as told:
        run(settings, "webhooks_secret", "ci")
    assert json.loads(path.read_text())["ci"] not in str(told.value)


def test_a_secret_that_is_kept_elsewhere_is_told_how(tmp_path: Path) -> None:
    env = {"source": "env", "provider": "default", "id": "CI_HOOK_SECRET"}
    assert "CI_HOOK_SECRET=" in run(build_settings(tmp_path / "x", env), "webhooks_secret", "ci")
    with pytest.raises(CommandError, match=r"docs/secrets\.md") as inline:
        run(build_settings(tmp_path / "x", OLD), "webhooks_secret", "ci")
    assert OLD not in str(inline.value)
    settings = build_settings(tmp_path / "x", {"source": "exec", "provider": "tool", "id": "ci"})
    settings["SECRETS"]["providers"]["tool"] = {"source": "exec", "command": "/bin/true"}
    with pytest.raises(CommandError, match="where its provider keeps it"):
        run(settings, "webhooks_secret", "ci")


def check(settings: dict[str, Any], *arguments: str) -> dict[str, str]:
    """Return the causes by subject."""
    out = StringIO()
    # The error comes after the output, and says how many faults that has.
    with override_settings(OPENCLAW_WEBHOOKS=settings), contextlib.suppress(CommandError):
        call_command("webhooks_check", *(arguments or ("--all",)), "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert [each["ok"] for each in told] == [not each["cause"] for each in told]
    return {each["subject"]: each["cause"] for each in told}


def test_all_is_well(tmp_path: Path) -> None:
    settings = build_settings(tmp_path / "x", OLD)
    everything = ["configuration", "database", "limits", "engine", "route ci"]
    assert check(settings) == dict.fromkeys(everything, "")
    assert list(check(settings, "ci")) == everything
    assert "ok    route ci" in run(settings, "webhooks_check", "ci")


@pytest.mark.parametrize(
    ("secret", "what_to_do"),
    [
        ({"source": "env", "provider": "default", "id": "NOT_THERE_AT_ALL"}, "Set the variable"),
        (file_ref("/ci"), "chmod 600"),
        ({"source": "exec", "provider": "tool", "id": "ci"}, "by hand"),
    ],
)
def test_a_secret_that_does_not_resolve_says_what_to_do(secret: object, what_to_do: str, tmp_path: Path) -> None:
    settings = build_settings(tmp_path / "none", secret)
    settings["SECRETS"]["providers"]["tool"] = {"source": "exec", "command": "/bin/false", "allowInsecurePath": True}
    cause = check(settings)["route ci"]
    assert cause.startswith("every call gets 401")
    assert what_to_do in cause


def test_a_route_that_is_off_faulty_or_missing_is_named(tmp_path: Path) -> None:
    assert "switched off" in check(build_settings(tmp_path / "x", OLD, enabled=False))["route ci"]
    faulty = check(build_settings(tmp_path / "x", OLD, sessionKey=""))
    assert "sessionKey" in faulty["route ci"]
    assert "sessionKey" in faulty["configuration"]
    assert "There are: ci" in check(build_settings(tmp_path / "x", OLD), "nobody")["route nobody"]
    assert "None is configured" in check({"ROUTES": {}})["routes"]
    assert check({"NONSENSE": 1})["settings"]


def test_an_engine_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise EngineUnavailable("cannot connect to http://127.0.0.1:1")

    monkeypatch.setattr(EmbeddedEngine, "check_health", fail, raising=False)
    assert "Look at its Gateway" in check(build_settings(tmp_path / "x", OLD))["engine"]


def test_one_route_or_all() -> None:
    for arguments in ((), ("ci", "--all")):
        with pytest.raises(CommandError, match="or --all") as refused:
            call_command("webhooks_check", *arguments)
        assert refused.value.returncode == 2
