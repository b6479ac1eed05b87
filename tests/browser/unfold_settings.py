"""The stand-alone server with django-unfold as the admin's skin, as its users put it in."""

from project.settings import *  # noqa: F403
from project.settings import INSTALLED_APPS as _APPS

INSTALLED_APPS = ["unfold", *_APPS]
