"""What machines ask of this app: metrics, health, lines of log and traces. Never on the way of a request.

Everything is computed after a call, from its record, in one background thread (``calls.observation``).
"""
