"""What the WSGI door needs from the server beneath it: a body within its deadline, and a gentle end of connections.

``wsgi_stream`` is the part that doors call and works under any WSGI server; ``gunicorn`` holds the hooks for a gunicorn
configuration file and everything that knows gunicorn's inside; ``deadline`` and ``lingering`` know only sockets.
The ASGI door needs none of it: its servers hand out bodies as events.
"""
