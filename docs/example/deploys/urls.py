from django.urls import include, path

urlpatterns = [path("", include("openclaw_webhooks.urls"))]
