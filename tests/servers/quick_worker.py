"""The WSGI worker with deadlines that a test can wait for, and one address whose peers stand for many clients."""

from openclaw_webhooks.servers.gunicorn_threads import ThreadLimits, TurnTakingWorker

PROXY = "127.0.0.9"


class QuickWorker(TurnTakingWorker):
    limits = ThreadLimits(head_seconds=0.6, unread_seconds=3)

    def is_trusted(self, peer: str | None) -> bool:
        return peer == PROXY
