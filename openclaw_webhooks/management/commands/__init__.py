"""The app's ``manage.py`` commands: thin, each over one function of a room."""
