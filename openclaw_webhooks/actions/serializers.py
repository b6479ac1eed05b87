"""One strict serializer per action, with its fields declared in the order in which faults are named.

This is the schema: the pipeline compiles these classes (``schema``), a project may use them as they are
(``CreateFlowSerializer(data=...)``), and documents are generated from them. Fields are declared under their Python
names and appear under their wire names.

Source: specification.txt ("Supported actions"), contract.md section 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.fields import empty
from rest_framework.settings import api_settings

from openclaw_webhooks.actions import values
from openclaw_webhooks.actions.fields import (
    ActionNameField,
    FlagField,
    JsonField,
    OptionField,
    TextField,
    WholeNumberField,
)
from openclaw_webhooks.actions.names import to_wire_name
from openclaw_webhooks.actions.rules import describe_mismatch, describe_type, describe_unknown_keys
from openclaw_webhooks.engines.records import (
    FlowStatus,
    NotifyPolicy,
    TaskRuntime,
    TaskStatus,
)

NEW_FLOW_STATUSES: Final = (FlowStatus.QUEUED, FlowStatus.RUNNING, FlowStatus.WAITING, FlowStatus.BLOCKED)
RESUMED_FLOW_STATUSES: Final = (FlowStatus.QUEUED, FlowStatus.RUNNING)
NEW_TASK_STATUSES: Final = (TaskStatus.QUEUED, TaskStatus.RUNNING)
TASK_RUNTIMES: Final = (TaskRuntime.SUBAGENT, TaskRuntime.ACP)
RUNNING_ONLY_KEYS: Final = ("startedAt", "lastEventAt", "progressSummary")


class ActionSerializer(serializers.Serializer[Any]):
    """What the serializers of actions have in common: wire names, strictness, and the way to an action value.

    Attributes:
        value_class: The action that a valid body becomes.
    """

    value_class: ClassVar[type[values.Action]]

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return ``action`` and the declared fields, each under its wire name with its Python name as source."""
        fields: dict[str, serializers.Field[Any, Any, Any, Any]] = {
            ActionNameField.wire_name: ActionNameField(self.value_class.name)
        }
        for name, field in super().get_fields().items():
            wire_name = to_wire_name(name)
            # The framework refuses a source that says nothing new.
            field.source = None if wire_name == name else name
            fields[wire_name] = field
        return fields

    def run_validation(self, data: Any = empty) -> Any:
        """Check the body whole: the fields, then keys that no field has, then what holds between fields.

        Raises:
            ValidationError: With ``detail`` by wire name; the body itself and its keys under the non-field key.
        """
        if not isinstance(data, Mapping):
            raise _refuse_body(describe_mismatch("object", describe_type(data)))
        validated = super().run_validation(data)
        unknown = [key for key in data if key not in self.fields]
        if unknown:
            raise _refuse_body(describe_unknown_keys(unknown))
        fault = self.check_together(data)
        if fault is not None:
            raise ValidationError({fault[0]: [fault[1]]}, code="invalid")
        return validated

    @staticmethod
    def check_together(body: Mapping[str, object]) -> tuple[str, str] | None:  # noqa: ARG004 - for subclasses
        """Check what holds between fields that are each valid; return wire name and text of the fault."""
        return None

    def to_action(self) -> values.Action:
        """Return the action of a body that ``is_valid`` has passed."""
        given = {name: value for name, value in self.validated_data.items() if name != ActionNameField.wire_name}
        return self.value_class(**given)


def _refuse_body(message: str) -> ValidationError:
    return ValidationError({api_settings.NON_FIELD_ERRORS_KEY: [message]}, code="invalid")


class CreateFlowSerializer(ActionSerializer):
    """``create_flow``."""

    value_class = values.CreateFlow
    goal = TextField()
    controller_id = TextField(required=False)
    status = OptionField(NEW_FLOW_STATUSES, required=False)
    notify_policy = OptionField(NotifyPolicy, required=False)
    current_step = TextField(required=False, allow_null=True)
    state_json = JsonField(required=False)
    wait_json = JsonField(required=False)


class GetFlowSerializer(ActionSerializer):
    """``get_flow``."""

    value_class = values.GetFlow
    flow_id = TextField()


class ListFlowsSerializer(ActionSerializer):
    """``list_flows``."""

    value_class = values.ListFlows


class FindLatestFlowSerializer(ActionSerializer):
    """``find_latest_flow``."""

    value_class = values.FindLatestFlow


class ResolveFlowSerializer(ActionSerializer):
    """``resolve_flow``."""

    value_class = values.ResolveFlow
    token = TextField()


class GetTaskSummarySerializer(ActionSerializer):
    """``get_task_summary``."""

    value_class = values.GetTaskSummary
    flow_id = TextField()


class SetWaitingSerializer(ActionSerializer):
    """``set_waiting``."""

    value_class = values.SetWaiting
    flow_id = TextField()
    expected_revision = WholeNumberField()
    current_step = TextField(required=False, allow_null=True)
    state_json = JsonField(required=False)
    wait_json = JsonField(required=False)
    blocked_task_id = TextField(required=False, allow_null=True)
    blocked_summary = TextField(required=False, allow_null=True)


class ResumeFlowSerializer(ActionSerializer):
    """``resume_flow``."""

    value_class = values.ResumeFlow
    flow_id = TextField()
    expected_revision = WholeNumberField()
    status = OptionField(RESUMED_FLOW_STATUSES, required=False)
    current_step = TextField(required=False, allow_null=True)
    state_json = JsonField(required=False)


class FinishFlowSerializer(ActionSerializer):
    """``finish_flow``."""

    value_class = values.FinishFlow
    flow_id = TextField()
    expected_revision = WholeNumberField()
    state_json = JsonField(required=False)


class FailFlowSerializer(ActionSerializer):
    """``fail_flow``."""

    value_class = values.FailFlow
    flow_id = TextField()
    expected_revision = WholeNumberField()
    state_json = JsonField(required=False)
    blocked_task_id = TextField(required=False, allow_null=True)
    blocked_summary = TextField(required=False, allow_null=True)


class RequestCancelSerializer(ActionSerializer):
    """``request_cancel``."""

    value_class = values.RequestCancel
    flow_id = TextField()
    expected_revision = WholeNumberField()


class CancelFlowSerializer(ActionSerializer):
    """``cancel_flow``."""

    value_class = values.CancelFlow
    flow_id = TextField()


class RunTaskSerializer(ActionSerializer):
    """``run_task``."""

    value_class = values.RunTask
    flow_id = TextField()
    runtime = OptionField(TASK_RUNTIMES)
    task = TextField()
    source_id = TextField(required=False)
    child_session_key = TextField(required=False)
    parent_task_id = TextField(required=False)
    agent_id = TextField(required=False)
    run_id = TextField(required=False)
    label = TextField(required=False)  # type: ignore[assignment]  # the metaclass takes it away from the class
    prefer_metadata = FlagField(required=False)
    notify_policy = OptionField(NotifyPolicy, required=False)
    status = OptionField(NEW_TASK_STATUSES, required=False)
    started_at = WholeNumberField(required=False)
    last_event_at = WholeNumberField(required=False)
    progress_summary = TextField(required=False, allow_null=True)

    @staticmethod
    def check_together(body: Mapping[str, object]) -> tuple[str, str] | None:
        """Allow what only a running task has, null included, for a running task alone."""
        if body.get("status") == TaskStatus.RUNNING or not any(key in body for key in RUNNING_ONLY_KEYS):
            return None
        return "status", "status must be running when startedAt, lastEventAt, or progressSummary is provided"


ACTION_SERIALIZERS: Final[tuple[type[ActionSerializer], ...]] = (
    CreateFlowSerializer,
    GetFlowSerializer,
    ListFlowsSerializer,
    FindLatestFlowSerializer,
    ResolveFlowSerializer,
    GetTaskSummarySerializer,
    SetWaitingSerializer,
    ResumeFlowSerializer,
    FinishFlowSerializer,
    FailFlowSerializer,
    RequestCancelSerializer,
    CancelFlowSerializer,
    RunTaskSerializer,
)
"""Every action, in the order in which errors and documents name them."""
