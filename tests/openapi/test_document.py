"""The OpenAPI document: valid, complete, and true of what the code takes and answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.test import Client
from hypothesis import given
from hypothesis import settings as given_settings
from openapi_spec_validator import validate

from openclaw_webhooks.actions.schema import parse_action
from openclaw_webhooks.actions.serializers import ACTION_SERIALIZERS
from openclaw_webhooks.actions.values import Fault
from openclaw_webhooks.conf.configuration import get_configuration
from openclaw_webhooks.openapi.answers import DESCRIPTIONS, SCHEMA_OF_STATUS, list_examples
from openclaw_webhooks.openapi.document import add_routes, build_document
from openclaw_webhooks.openapi.requests import EXAMPLES
from openclaw_webhooks.outcomes.table import CANCEL_REFUSALS, MUTATION_REFUSALS, RUN_TASK_REFUSALS
from tests.actions.bodies import ANY_BODIES
from tests.admin.builders import sign_in

JSON, PAGE = "/openclaw-webhooks/schema.json", "/openclaw-webhooks/schema/"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return build_document(get_configuration().routes)


def checker(document: dict[str, Any], name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    )


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {"/plugins/webhooks/zapier", "/hooks/ci"}
    assert all(list(item) == ["post"] for item in document["paths"].values())


def test_it_names_every_action_and_no_secret_or_session(document: dict[str, Any]) -> None:
    action = document["components"]["schemas"]["WebhookAction"]
    assert list(action["discriminator"]["mapping"]) == [cls.value_class.name for cls in ACTION_SERIALIZERS]
    text = json.dumps(document)
    for route in get_configuration().routes:
        assert route.session_key not in text
    assert "secret-of-the-tests" not in text


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_the_example_of_a_request_is_one(document: dict[str, Any], name: str) -> None:
    action = parse_action(EXAMPLES[name])
    assert not isinstance(action, Fault)
    assert action.name == name
    checker(document, "WebhookAction").validate(EXAMPLES[name])


@given(body=ANY_BODIES)
@given_settings(max_examples=400)
def test_what_the_schema_says_of_a_body_is_what_the_code_says(document: dict[str, Any], body: Any) -> None:
    is_valid = checker(document, "WebhookAction").is_valid(body)
    assert is_valid is not isinstance(parse_action(body), Fault), body


def test_every_example_of_an_answer_fits_its_schema(document: dict[str, Any]) -> None:
    responses = document["paths"]["/hooks/ci"]["post"]["responses"]
    seen = set()
    for example in list_examples("ci"):
        content = responses[str(example.status)]["content"][example.media_type]
        assert example.value in [each["value"] for each in content["examples"].values()]
        if example.media_type == "application/json":
            checker(document, f"Webhook{SCHEMA_OF_STATUS[example.status]}").validate(example.value)
            seen.add(example.value.get("code"))
    assert sorted(map(int, responses)) == sorted(DESCRIPTIONS)
    codes = {code.value for table in (MUTATION_REFUSALS, CANCEL_REFUSALS, RUN_TASK_REFUSALS) for code in table}
    assert codes < seen
    assert {"persist_failed", "outcome_unknown", "engine_unavailable", "invalid_request"} < seen


def test_it_joins_a_projects_own_document() -> None:
    own: dict[str, Any] = {"paths": {"/mine": {}}, "components": {"schemas": {"Mine": {}}}}
    joined = add_routes(own, None, None, True)
    assert set(joined["paths"]) == {"/mine", "/plugins/webhooks/zapier", "/hooks/ci"}
    assert {"Mine", "WebhookAction", "WebhookFlow"} < set(joined["components"]["schemas"])


def test_the_command_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("webhooks_schema")
    assert json.loads(capsys.readouterr().out)["paths"].keys() == {"/plugins/webhooks/zapier", "/hooks/ci"}
    call_command("webhooks_schema", "--file", str(tmp_path / "s.json"), "--route", "ci")
    assert json.loads((tmp_path / "s.json").read_text())["paths"].keys() == {"/hooks/ci"}
    for wrong, told in [(("--route", "nowhere"), "nowhere"), (("--file", str(tmp_path / "no" / "s")), "No such file")]:
        with pytest.raises(CommandError, match=told):
            call_command("webhooks_schema", *wrong)


@pytest.fixture
def with_pages(settings: Any) -> Any:
    settings.ROOT_URLCONF = "tests.openapi.urls"

    def choose(pages: str) -> None:
        settings.OPENCLAW_WEBHOOKS = settings.OPENCLAW_WEBHOOKS | {"SCHEMA_PAGES": pages}

    return choose


def get(path: str, client: Client | None = None) -> HttpResponse:
    response: HttpResponse = (client or Client()).get(path)
    return response


@pytest.mark.django_db
def test_pages_for_everybody(with_pages: Any) -> None:
    with_pages("public")
    assert get(JSON).status_code == 200
    page = get(PAGE)
    assert page.status_code == 200
    assert "<script>" not in page.content.decode()
    assert f'data-url="{JSON}"' in page.content.decode()
    assert Client().post(PAGE).status_code == 405


@pytest.mark.django_db
def test_pages_for_staff(with_pages: Any) -> None:
    with_pages("staff")
    for path in (JSON, PAGE):
        asked = get(path)
        assert (asked.status_code, asked["Location"]) == (302, f"/admin/login/?next={path}")
        staff = sign_in()
        assert get(path, staff).status_code == 200
        from django.contrib.auth.models import User

        User.objects.update(is_staff=False)
        assert get(path, staff).status_code == 403


@pytest.mark.django_db
def test_pages_for_nobody(with_pages: Any) -> None:
    with_pages("off")
    assert get(JSON).status_code == 404
    from openclaw_webhooks.conf.settings import SchemaPages
    from openclaw_webhooks.urls import build_schema_patterns

    assert build_schema_patterns(SchemaPages.OFF) == []
