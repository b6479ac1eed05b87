"""The suite's URLs with the pages of the schema."""

from openclaw_webhooks.conf.settings import SchemaPages
from openclaw_webhooks.urls import build_schema_patterns
from tests.urls import urlpatterns as usual

urlpatterns = [*build_schema_patterns(SchemaPages.STAFF), *usual]
