"""A small Django project that uses the app, as ``startproject`` would make one, with a suite of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.live import ROOT

SECRET = "ci-secret-of-the-small-project"
PATH = "/plugins/webhooks/ci"

_PLUGINS = ("no:cacheprovider", "pytest_django.plugin", "xdist.plugin", "anyio.pytest_plugin")
_MANAGE = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
_SETTINGS = f"""
import os
from pathlib import Path
import dj_database_url

BASE_DIR = Path(__file__).parent.parent
SECRET_KEY = "secret-key-of-the-small-project-" + BASE_DIR.parent.name + BASE_DIR.name
INSTALLED_APPS = [
    "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.staticfiles", "openclaw_webhooks"
]
MIDDLEWARE = []
ROOT_URLCONF = "shop.urls"
STATIC_URL = "static/"
USE_TZ = True
if url := os.environ.get("SHOP_DATABASE_URL"):
    DATABASES = {{"default": dj_database_url.parse(url)}}
else:
    DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}}}
    if name := os.environ.get("SHOP_TEST_NAME"):
        DATABASES["default"]["TEST"] = {{"NAME": BASE_DIR / name}}
OPENCLAW_WEBHOOKS = {{
    "ROUTES": {{"ci": {{"sessionKey": "agent:ops:ci", "secret": "{SECRET}"}}}},
    "CALL_FLUSH_SECONDS": 0.01,
    "HEALTH": True,
}}
"""
_URLS = """
from django.urls import include, path
urlpatterns = [path("", include("openclaw_webhooks.urls"))]
"""
_ASGI = """
from django.core.asgi import get_asgi_application
from openclaw_webhooks.asgi import mount
application = mount(get_asgi_application())
"""
_COUNT = """
from django.contrib.auth.models import Group
from openclaw_webhooks.models import Call, Flow
print(Call.objects.count(), Flow.objects.count(), Group.objects.count())
"""


@dataclass(frozen=True)
class SmallProject:
    """One project in a folder, on one kind of database."""

    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    def write(self, suite: str) -> None:
        """Write its files, and the suite as its tests."""
        (self.folder / "shop").mkdir(parents=True)
        files = {"manage": _MANAGE, "shop/__init__": "", "shop/settings": _SETTINGS, "shop/urls": _URLS}
        for name, text in {**files, "shop/asgi": _ASGI, "shop/tests": suite}.items():
            (self.folder / f"{name}.py").write_text(text, encoding="utf-8")

    @property
    def python(self) -> list[str]:
        """Return how its Python is started."""
        return [sys.executable, "-W", "error"]

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of its processes."""
        own = ("DJANGO", "PYTEST", "OPENCLAW")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        paths = (str(self.folder), str(ROOT), os.environ.get("PYTHONPATH", ""))
        settings = {"DJANGO_SETTINGS_MODULE": "shop.settings", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        return {**kept, **settings, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **self.environ}

    def run(self, command: Sequence[str]) -> str:
        """Run a command that must succeed, and return what it printed."""
        ended = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    def manage(self, *arguments: str) -> str:
        """Run a command of ``manage.py``."""
        return self.run([*self.python, "manage.py", *arguments])

    def pytest(self, *arguments: str) -> str:
        """Run the suite under pytest with the plugins named here alone, of which none is this package's."""
        options = [f"-p{name}" for name in _PLUGINS]
        return self.run([*self.python, "-m", "pytest", "-q", "-W", "error", *options, *arguments, "shop/tests.py"])

    def count_real_rows(self) -> list[int]:
        """Count the calls, flows and groups in the project's own database."""
        return [int(word) for word in self.manage("shell", "-v", "0", "-c", _COUNT).split()]
