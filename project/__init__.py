"""The stand-alone server: a Django project around the app, configured by environment variables alone.

The reusable app knows nothing of this package; a Django project of your own needs none of it.
"""
