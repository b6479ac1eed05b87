"""Facts that are announced after they happened. They carry no logic, and nothing waits for a receiver.

``flow_changed`` and ``task_changed`` come from an engine, after its commit. Both respect the notify policy of what
changed: ``silent`` announces nothing, ``done_only`` only an end, and ``state_changes`` every change of status, the
creation included. A receiver that raises is logged by Django and stops nothing. While there are no receivers, nothing
is looked up, built or sent.

Receivers are trusted code of the project, so they are told the session key, which no record carries.

Arguments of ``flow_changed`` (``sender``: the engine's class):

* ``flow``: ``engines.base.FlowRecord`` as committed.
* ``previous_status``: ``FlowStatus`` before the change, ``None`` for a new flow.
* ``session_key``: the owner of the flow.

Arguments of ``task_changed`` (``sender``: the engine's class):

* ``task``: ``engines.base.TaskRecord`` as committed.
* ``previous_status``: ``TaskStatus`` before the change, ``None`` for a new task.
* ``session_key``: the owner of the task's flow.

``call_finished`` and ``call_refused`` come half a second after a call's end at most, from a background thread of the
process that served it: a slow receiver holds up no caller. Each call is one or the other: refused is what a guard or
the schema turned away. A process that is killed takes along what it had not announced yet. Arguments of both
(``sender``: ``calls.record.CallRecord``):

* ``call``: the ``CallRecord``: route, action, status, code, refusing step, client, request id, flow id, times.
"""

from __future__ import annotations

from django.dispatch import Signal

__all__ = ["call_finished", "call_refused", "flow_changed", "task_changed"]

flow_changed = Signal()
task_changed = Signal()
call_finished = Signal()
call_refused = Signal()
