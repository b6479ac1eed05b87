"""The middleware in a Django project: what it looks at, what it answers, and what the operator sees."""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import time
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.core.management import call_command
from django.db import connection
from django.test import AsyncClient, Client
from django.urls import path

from openclaw_webhooks.guards.head import RequestHead
from openclaw_webhooks.models import KnownAddress, SignInRefusals
from openclaw_webhooks.monitoring import catalogue
from openclaw_webhooks.runtime import get_runtime
from openclaw_webhooks.sign_ins.limits import SIGN_IN_LIMITS
from openclaw_webhooks.sign_ins.refused import RefusalRecord, fetch_refused_day
from tests.admin.builders import sign_in
from tests.monitoring.scraping import TOKEN, parse_metrics, sum_of

LOGIN = "/admin/login/"
PASSWORD = "a-password-of-the-tests"
LOG = "openclaw_webhooks.sign_ins"

site_of_a_project = admin.AdminSite(name="project")


def decorated(view: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a view as projects do."""

    @functools.wraps(view)
    def wrapper(*arguments: Any) -> Any:
        return view(*arguments)

    return wrapper


urlpatterns = [
    path("admin/", admin.site.urls),
    path("office/", site_of_a_project.urls),
    path("accounts/login/", LoginView.as_view(template_name="admin/login.html")),
    path("decorated/", decorated(admin.site.login)),
]
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def project(settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "openclaw_webhooks.middleware.SignInLimitMiddleware"]
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def address() -> str:
    """Return one that no other test has used."""
    number = next(_numbers)
    return f"172.16.{number // 250}.{number % 250 + 1}"


@pytest.fixture
def operator() -> User:
    return User.objects.create_superuser(f"operator-{next(_numbers)}", password=PASSWORD)


class LeftCaller:
    """What a server offers to read where the caller closed the connection."""

    def read(self, _size: int = -1) -> bytes:
        raise OSError("the connection is closed")

    readline = read


def post(address: str, name: str = "", password: str = "", *, url: str = LOGIN, client: Client | None = None) -> Any:
    form = {"username": name, "password": password, "next": "/admin/"}
    return (client or Client()).post(url, form, REMOTE_ADDR=address)


def use_up(address: str, *, url: str = LOGIN) -> None:
    """Make an address's attempts, without a name, so that no password is looked at."""
    for _ in range(SIGN_IN_LIMITS.rate):
        assert post(address, url=url).status_code == 200


def fill_account(name: str) -> None:
    for number in range(SIGN_IN_LIMITS.rate):
        assert post(f"172.31.{next(_numbers) % 256}.{number + 1}", name, "wrong").status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("url", [LOGIN, "/office/login/", "/accounts/login/", "/decorated/"])
def test_the_eleventh_attempt_of_an_address_is_refused_before_the_password_is_looked_at(
    address: str, operator: User, url: str
) -> None:
    use_up(address, url=url)
    response = post(address, operator.username, PASSWORD, url=url)
    assert (response.status_code, response.content) == (429, b"Too Many Requests")
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert 1 <= int(response["Retry-After"]) <= 60
    assert post(f"{address}0", operator.username, PASSWORD, url=url).status_code == 302


@pytest.mark.django_db
def test_other_requests_are_left_alone(address: str, operator: User) -> None:
    for _ in range(SIGN_IN_LIMITS.rate + 5):
        assert Client().get(LOGIN, REMOTE_ADDR=address).status_code == 200
        assert Client().post("/admin/", REMOTE_ADDR=address).status_code == 302
        assert Client(enforce_csrf_checks=True).post(LOGIN, REMOTE_ADDR=address).status_code == 403
    assert post(address, operator.username, PASSWORD).status_code == 302


@pytest.mark.django_db
def test_an_account_under_attack_lets_in_the_address_that_it_knows(address: str, operator: User) -> None:
    assert post(address, operator.username, PASSWORD).status_code == 302
    for _ in range(SIGN_IN_LIMITS.rate - 1):
        assert post(f"172.30.{next(_numbers) % 256}.1", operator.username, "wrong").status_code == 200
    assert post("172.29.0.1", operator.username, PASSWORD).status_code == 429
    assert post(address, operator.username.upper(), "wrong").status_code == 200
    assert post(address, operator.username, PASSWORD).status_code == 302


@pytest.mark.django_db
def test_a_wrong_password_makes_no_address_known(address: str, operator: User) -> None:
    post(address, operator.username, "wrong")
    User.objects.create_user("visitor", password=PASSWORD)
    post(address, "visitor", PASSWORD)  # who may not enter the admin
    assert not KnownAddress.objects.exists()


@pytest.mark.django_db
def test_the_address_is_the_one_that_a_trusted_proxy_vouches_for(address: str, settings: Any) -> None:
    settings.OPENCLAW_WEBHOOKS = {**settings.OPENCLAW_WEBHOOKS, "TRUSTED_PROXIES": ["10.9.9.9"]}

    def post_through_proxy(forwarded: str) -> int:
        return Client().post(LOGIN, REMOTE_ADDR="10.9.9.9", headers={"x-forwarded-for": forwarded}).status_code

    for _ in range(SIGN_IN_LIMITS.rate):
        assert post_through_proxy(f"1.2.3.4, {address}") == 200
    assert post_through_proxy(f"5.6.7.8, {address}") == 429
    assert post_through_proxy("172.28.0.1") == 200


@pytest.mark.django_db
def test_a_body_that_cannot_be_read_is_no_error_of_ours(address: str) -> None:
    many = {f"field-{number}": "" for number in range(2000)}
    assert Client(raise_request_exception=False).post(LOGIN, many, REMOTE_ADDR=address).status_code == 400
    broken = Client(raise_request_exception=False).post(
        LOGIN, b"--x\r\n", content_type="multipart/form-data; boundary=", REMOTE_ADDR=address
    )
    assert broken.status_code == 400
    odd = Client().post(
        LOGIN,
        f"username={'%00%ED%A0%80' * 500}&password=x",
        content_type="application/x-www-form-urlencoded",
        REMOTE_ADDR=address,
    )
    assert odd.status_code == 200
    gone = Client().post(LOGIN, {"username": "x"}, REMOTE_ADDR=address, **{"wsgi.input": LeftCaller()})  # type: ignore[arg-type]
    assert gone.status_code == 200


@pytest.fixture
def no_table() -> Iterator[None]:
    """The state between an upgrade of the package and its migrations."""
    with connection.schema_editor() as editor:
        editor.delete_model(KnownAddress)
    yield
    with connection.schema_editor() as editor:
        editor.create_model(KnownAddress)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_atomic", [False, True])
def test_whoever_has_the_password_signs_in_without_the_table(
    address: str, operator: User, no_table: None, caplog: pytest.LogCaptureFixture, is_atomic: bool
) -> None:
    connection.settings_dict["ATOMIC_REQUESTS"] = is_atomic
    try:
        assert post(address, operator.username, "wrong").status_code == 200
        assert post(address, operator.username, PASSWORD).status_code == 302
        fill_account(f"{operator.username}-2")
        assert post(address, f"{operator.username}-2", "wrong").status_code == 429
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    told = "\n".join(text_of(caplog))
    assert "The address of a sign-in could not be kept: " in told
    assert "Known addresses could not be read: " in told


@pytest.mark.django_db(transaction=True)
def test_under_an_asynchronous_handler(address: str, operator: User) -> None:
    async def attempt(name: str = "", password: str = "") -> int:
        form = {"username": name, "password": password}
        response = await AsyncClient().post(LOGIN, form, headers={"x-forwarded-for": address})
        return int(response.status_code)

    async def attempts() -> list[int]:
        first = [await attempt(operator.username, PASSWORD)]
        return first + [await attempt() for _ in range(SIGN_IN_LIMITS.rate)]

    assert asyncio.run(attempts()) == [302, *[200] * (SIGN_IN_LIMITS.rate - 1), 429]
    assert KnownAddress.objects.get().account == operator.username


def text_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == LOG]


@pytest.mark.django_db
def test_the_log_names_addresses_and_no_name_that_is_not_an_account(
    address: str, operator: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOG)
    post(address, "my-password-in-the-wrong-field", "x")
    post(address, operator.username, "wrong")
    post(address, operator.username, PASSWORD)
    post(address, operator.username, "wrong")
    for _ in range(SIGN_IN_LIMITS.rate - 3):
        post(address, operator.username, "x")
    assert text_of(caplog)[:4] == [
        f"Sign-in failed from {address}",
        f"Sign-in failed from {address}",
        f"Signed in from {address} as {operator.username}",
        f"Sign-in failed from {address} as {operator.username}",
    ]
    assert text_of(caplog)[-1] == f"Sign-in refused, too many attempts from {address}"
    caplog.clear()
    fill_account("another-password-in-the-wrong-field")
    assert post("172.27.0.1", "another-password-in-the-wrong-field", "x").status_code == 429
    assert text_of(caplog)[-1] == ("Sign-in refused, too many attempts on one account, the latest from 172.27.0.1")
    assert "wrong-field" not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_the_operator_sees_what_was_refused_and_can_forget_an_address(
    address: str, operator: User, settings: Any
) -> None:
    settings.OPENCLAW_WEBHOOKS = {**settings.OPENCLAW_WEBHOOKS, "METRICS": True, "METRICS_TOKEN": TOKEN}
    assert post(address, operator.username, PASSWORD).status_code == 302
    for _ in range(SIGN_IN_LIMITS.rate - 1):
        assert post(address).status_code == 200
    assert post(address).status_code == 429
    page = sign_in("view_call").get("/admin/openclaw_webhooks/route/").content.decode()
    assert "Sign-ins to the admin refused within the last day: 1, the latest at" in page
    assert f"UTC from {address}" in page
    out = StringIO()
    call_command("webhooks_check", "--all", stdout=out)
    assert "note  sign-ins: Sign-ins to the admin refused within the last day: 1" in out.getvalue()
    call_command("webhooks_check", "zapier", stdout=out)
    assert out.getvalue().count("sign-ins:") == 1
    samples = scrape()
    told = {outcome: sum_of(samples, catalogue.SIGN_INS.name, outcome=outcome) for outcome in ("ok", "failed")}
    assert told == {"ok": 1, "failed": SIGN_IN_LIMITS.rate - 1}
    assert sum_of(samples, catalogue.SIGN_INS.name, outcome="refused_address") == 1
    known = KnownAddress.objects.get()
    viewer = sign_in("view_knownaddress")
    assert address in viewer.get("/admin/openclaw_webhooks/knownaddress/").content.decode()
    url = f"/admin/openclaw_webhooks/knownaddress/{known.pk}"
    assert viewer.get(f"{url}/change/").status_code == 200
    assert viewer.post(f"{url}/delete/", {"post": "yes"}).status_code == 403
    keeper = sign_in("view_knownaddress", "delete_knownaddress")
    assert keeper.post(f"{url}/change/", {"account": "another"}).status_code == 403
    assert keeper.post(f"{url}/delete/", {"post": "yes"}).status_code == 302
    assert not KnownAddress.objects.exists()


def scrape() -> dict[Any, float]:
    head = RequestHead("GET", {"authorization": f"Bearer {TOKEN}"}, peer="192.0.2.1")
    return parse_metrics(get_runtime().pages.answer("/metrics", head).body.decode())


@pytest.mark.django_db
def test_refusals_are_counted_by_the_hour_in_one_statement_a_second() -> None:
    now = [0.0]
    record = RefusalRecord(clock=lambda: now[0])
    for number in range(100):
        record.note("refused_address", f"192.0.2.{number}")
    assert SignInRefusals.objects.get().count == 1
    now[0] = 1.0
    record.note("busy", "198.51.100.1")
    assert dict(SignInRefusals.objects.values_list("reason", "count")) == {"refused_address": 100, "busy": 1}
    now_ms = int(time.time() * 1000)
    day = fetch_refused_day(now_ms=now_ms)
    assert day is not None
    assert (day.count, day.last_address) == (101, "198.51.100.1")
    assert fetch_refused_day(now_ms=now_ms + 2 * 86_400_000) is None


@pytest.mark.django_db(transaction=True)
def test_pruning_deletes_what_is_past_its_time() -> None:
    now_ms = int(time.time() * 1000)
    for days in (29, 31):
        at_ms = now_ms - days * 86_400_000
        KnownAddress.objects.create(account="operator", address=f"192.0.2.{days}", signed_in_at_ms=at_ms)
        SignInRefusals.objects.create(hour_ms=at_ms, reason="busy", count=days, last_at_ms=at_ms, last_address="unix")
    call_command("webhooks_prune", "--dry-run")
    assert (KnownAddress.objects.count(), SignInRefusals.objects.count()) == (2, 2)
    call_command("webhooks_prune")
    assert KnownAddress.objects.get().address == "192.0.2.29"
    assert SignInRefusals.objects.get().count == 29
