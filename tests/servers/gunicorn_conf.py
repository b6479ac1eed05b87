"""The gunicorn configuration of the tests, as a project would write it."""

from openclaw_webhooks.servers import gunicorn

pre_request = gunicorn.build_pre_request(is_route=lambda path: path.startswith("/hook"))
post_request = gunicorn.post_request
post_worker_init = gunicorn.post_worker_init
worker_exit = gunicorn.worker_exit
