"""The tables of the embedded engine: flows and their child tasks.

They hold columns and constraints only. Which changes are allowed, what a status means and who may see a row is the
engine's (``engines.embedded``), and nothing else writes here: an edit past the engine would bypass the revision.

Text that is absent is the empty string, so that no column knows two kinds of nothing. JSON is kept as compact ASCII
text (``""`` never set, ``"null"`` set to null), because a database's own JSON type rounds numbers and refuses NUL.
Times are Unix milliseconds. The integer keys give the order of insertion and never leave the engine.

Earlier revisions are kept by a trigger (``migrations.0004_flow_history``): part of the statement that makes a change,
they cost no statement of their own, and no change goes past them. Django makes a table anew to alter it on SQLite, and
its triggers go with the old one: a migration that alters ``Flow`` ends with ``0004``'s ``create_trigger``.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from openclaw_webhooks.call_context import ACTOR_LENGTH

_ID_LENGTH = 36
_WORD_LENGTH = 16
_REQUEST_ID_LENGTH = 64


class Flow(models.Model):
    """One managed TaskFlow and the session that owns it."""

    flow_id = models.CharField("flow id", max_length=_ID_LENGTH)
    session_key = models.TextField("session key", help_text="Owner of the flow; never shown to webhook callers.")
    sync_mode = models.CharField("sync mode", max_length=_WORD_LENGTH, default="managed")
    controller_id = models.TextField("controller", blank=True, default="")
    revision = models.BigIntegerField("revision", default=0, help_text="Moves by one with every change.")
    status = models.CharField("status", max_length=_WORD_LENGTH)
    notify_policy = models.CharField("notify policy", max_length=_WORD_LENGTH)
    goal = models.TextField("goal")
    current_step = models.TextField("current step", blank=True, default="")
    blocked_task_id = models.TextField("blocked by task", blank=True, default="")
    blocked_summary = models.TextField("blocked because", blank=True, default="")
    state_json = models.TextField("state", blank=True, default="", help_text="JSON text; empty: never set.")
    wait_json = models.TextField("waits for", blank=True, default="", help_text="JSON text; empty: never set.")
    cancel_requested_at_ms = models.BigIntegerField("cancel requested at (ms)", null=True, blank=True)
    created_at_ms = models.BigIntegerField("created at (ms)", help_text="Unix milliseconds, as all times here.")
    updated_at_ms = models.BigIntegerField("updated at (ms)")
    ended_at_ms = models.BigIntegerField("ended at (ms)", null=True, blank=True)
    actor = models.CharField(
        "changed by", max_length=ACTOR_LENGTH, blank=True, default="", db_default="", help_text="Of this revision."
    )
    request_id = models.CharField(
        "request id", max_length=_REQUEST_ID_LENGTH, blank=True, default="", db_default="", help_text="Of the change."
    )

    class Meta:
        """Two indexes carry the reads of a session, two partial ones the pruning, and one the operator's list.

        Each costs some hundredths of a call that creates or changes a flow. So that one serves two filters and the
        metrics: a controller is looked for in each of the few statuses.
        """

        verbose_name = "TaskFlow"
        verbose_name_plural = "TaskFlows"
        permissions = (("act_on_flow", "Can act on TaskFlows and their tasks"),)
        ordering = ("-created_at_ms", "id")
        constraints = (
            models.UniqueConstraint(fields=("flow_id",), name="openclaw_flow_id"),
            models.CheckConstraint(condition=Q(revision__gte=0), name="openclaw_flow_revision"),
        )
        indexes = (
            models.Index("session_key", F("updated_at_ms").desc(), F("id").desc(), name="openclaw_flow_latest"),
            models.Index("session_key", F("created_at_ms").desc(), F("id").asc(), name="openclaw_flow_list"),
            models.Index(fields=("status", "controller_id"), name="openclaw_flow_status"),
            models.Index(fields=("ended_at_ms",), condition=Q(ended_at_ms__isnull=False), name="openclaw_flow_ended"),
            models.Index(
                fields=("cancel_requested_at_ms",),
                condition=Q(cancel_requested_at_ms__isnull=False, ended_at_ms__isnull=True),
                name="openclaw_flow_cancelling",
            ),
        )

    def __str__(self) -> str:
        """Name the flow without its session."""
        return f"{self.flow_id} ({self.status})"


class FlowRevision(models.Model):
    """A flow as it was before a change; the trigger writes these rows and keeps the latest hundred of each flow."""

    parent_flow = models.ForeignKey(
        Flow, on_delete=models.CASCADE, related_name="revisions", db_index=False, verbose_name="TaskFlow"
    )
    revision = models.BigIntegerField("revision")
    status = models.CharField("status", max_length=_WORD_LENGTH)
    current_step = models.TextField("current step", blank=True, default="")
    blocked_task_id = models.TextField("blocked by task", blank=True, default="")
    blocked_summary = models.TextField("blocked because", blank=True, default="")
    state_json = models.TextField("state", blank=True, default="")
    wait_json = models.TextField("waits for", blank=True, default="")
    cancel_requested_at_ms = models.BigIntegerField("cancel requested at (ms)", null=True, blank=True)
    updated_at_ms = models.BigIntegerField("updated at (ms)", help_text="When it became so.")
    ended_at_ms = models.BigIntegerField("ended at (ms)", null=True, blank=True)
    actor = models.CharField("changed by", max_length=ACTOR_LENGTH, blank=True, default="")
    request_id = models.CharField("request id", max_length=_REQUEST_ID_LENGTH, blank=True, default="")

    class Meta:
        """The constraint is the index that a flow's history is read and cut by."""

        verbose_name = "revision"
        verbose_name_plural = "revisions"
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=("parent_flow", "revision"), name="openclaw_flow_history"),)

    def __str__(self) -> str:
        """Name the revision without its flow's session."""
        return f"revision {self.revision} ({self.status})"


class Task(models.Model):
    """One child task of a flow."""

    task_id = models.CharField("task id", max_length=_ID_LENGTH)
    parent_flow = models.ForeignKey(
        Flow, on_delete=models.CASCADE, related_name="tasks", db_index=False, verbose_name="TaskFlow"
    )
    runtime = models.CharField("runtime", max_length=_WORD_LENGTH)
    source_id = models.TextField("source id", blank=True, default="")
    child_session_key = models.TextField("child session key", blank=True, default="")
    parent_task_id = models.TextField("parent task id", blank=True, default="")
    agent_id = models.TextField("agent", blank=True, default="")
    run_id = models.TextField("run id", blank=True, default="")
    run_key = models.CharField(
        "run key",
        max_length=64,
        blank=True,
        default="",
        editable=False,
        help_text="Digest of what makes a run the same run: ids may be longer than an index allows.",
    )
    label = models.TextField("label", blank=True, default="")
    task = models.TextField("task")
    status = models.CharField("status", max_length=_WORD_LENGTH)
    delivery_status = models.CharField("delivery status", max_length=_WORD_LENGTH, default="pending")
    notify_policy = models.CharField("notify policy", max_length=_WORD_LENGTH)
    error = models.TextField("error", blank=True, default="")
    progress_summary = models.TextField("progress", blank=True, default="")
    terminal_summary = models.TextField("closing summary", blank=True, default="")
    terminal_outcome = models.CharField("closing outcome", max_length=_WORD_LENGTH, blank=True, default="")
    created_at_ms = models.BigIntegerField("created at (ms)", help_text="Unix milliseconds, as all times here.")
    started_at_ms = models.BigIntegerField("started at (ms)", null=True, blank=True)
    ended_at_ms = models.BigIntegerField("ended at (ms)", null=True, blank=True)
    last_event_at_ms = models.BigIntegerField("last event at (ms)", null=True, blank=True)
    cleanup_after_ms = models.BigIntegerField("clean up after (ms)", null=True, blank=True)

    class Meta:
        """One index counts a flow's tasks without touching them, a partial one finds a run again."""

        verbose_name = "task"
        verbose_name_plural = "tasks"
        ordering = ("-created_at_ms", "id")
        constraints = (models.UniqueConstraint(fields=("task_id",), name="openclaw_task_id"),)
        indexes = (
            models.Index(fields=("parent_flow", "status", "runtime"), name="openclaw_task_counts"),
            models.Index(fields=("parent_flow", "run_key"), condition=~Q(run_key=""), name="openclaw_task_run"),
        )

    def __str__(self) -> str:
        """Name the task without any session."""
        return f"{self.task_id} ({self.status})"
