"""Bodies for property tests: valid and faulty ones in about equal parts, for every action."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from openclaw_webhooks.actions.fields import (
    ActionField,
    ActionNameField,
    FlagField,
    JsonField,
    OptionField,
    TextField,
    WholeNumberField,
)
from openclaw_webhooks.actions.serializers import ACTION_SERIALIZERS, ActionSerializer
from openclaw_webhooks.values import WHITE_SPACE

NUMBERS = st.one_of(
    st.integers(-3, 10),
    st.integers(2**53 - 3, 2**53 + 3),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1.0, 1e21, 1e20, -1.0, 2.5]),
)
BLANKS = st.text(alphabet="\t\n\v\f\r \xa0\u1680\u2003\u2028\u2029\u202f\u205f\u3000\ufeff", max_size=3)
# NUL and surrogates apart, where this project deliberately refuses what the Gateway takes.
PLAIN_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
TEXTS = st.one_of(
    PLAIN_TEXT,
    BLANKS,
    st.builds(lambda a, b, c: a + b + c, BLANKS, PLAIN_TEXT, BLANKS),
    st.sampled_from(["none", "\x1c", "\x85", "\u180e", "\u200b", "🦀", "queued", "acp"]),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
JSON_VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(PLAIN_TEXT, inner, max_size=4)),
    max_leaves=8,
)
UNKNOWN_KEYS = st.sampled_from(["extra", "Goal", "flowid", "flow_id", "status", "token", "é", "", "pad"])


def valid_values(field: ActionField) -> st.SearchStrategy[Any]:
    """Values that ``field`` accepts."""
    nothing = st.none() if field.allow_null else st.nothing()
    if isinstance(field, TextField):
        return st.one_of(nothing, TEXTS.filter(lambda text: text.strip(WHITE_SPACE) != ""))
    if isinstance(field, WholeNumberField):
        return st.one_of(st.integers(0, 5), st.just(2**53 - 1), st.just(3.0), st.just(-0.0))
    if isinstance(field, FlagField):
        return st.booleans()
    if isinstance(field, OptionField | ActionNameField):
        return st.sampled_from(list(field.choices))
    assert isinstance(field, JsonField)
    return JSON_VALUES


def any_values(field: ActionField) -> st.SearchStrategy[Any]:
    """Values for ``field``, most of them faulty."""
    options = [*field.choices, "succeeded"] if isinstance(field, OptionField) else [None, "", -1, 0.5, True]
    return st.one_of(JSON_VALUES, SCALARS, st.sampled_from(options))


@st.composite
def bodies_of(draw: st.DrawFn, serializer_class: type[ActionSerializer]) -> dict[str, Any]:
    """Bodies with the right ``action``: valid, with one fault, or with several."""
    body: dict[str, Any] = {}
    fields = dict(serializer_class().fields)
    for name in draw(st.permutations(list(fields))):
        field = fields[name]
        assert isinstance(field, ActionField)
        if field.required or draw(st.booleans()):
            body[name] = draw(valid_values(field))
    for _ in range(draw(st.sampled_from([0, 1, 1, 2, 4]))):
        spoil(draw, body, {name: field for name, field in fields.items() if name != "action"})
    return body


def spoil(draw: st.DrawFn, body: dict[str, Any], fields: dict[str, Any]) -> None:
    """Change one field of ``body`` for the worse, leave one out, or add one that is unknown."""
    name = draw(st.sampled_from([*fields, *fields, ""]))
    if name == "":
        body[draw(UNKNOWN_KEYS)] = draw(JSON_VALUES)
    elif draw(st.integers(0, 5)) == 0:
        body.pop(name, None)
    else:
        body[name] = draw(any_values(fields[name]))


ACTION_BODIES = st.sampled_from(ACTION_SERIALIZERS).flatmap(bodies_of)
ANY_BODIES = st.one_of(
    *[ACTION_BODIES] * 8, JSON_VALUES, st.fixed_dictionaries({"action": st.one_of(JSON_VALUES, PLAIN_TEXT)})
)


@st.composite
def encoded(draw: st.DrawFn, bodies: st.SearchStrategy[Any]) -> bytes:
    """Encode a body in one of the ways in which callers do."""
    body = draw(bodies)
    text = json.dumps(body, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, None, 1])))
    return draw(st.sampled_from([b"", b"", b"", b"\xef\xbb\xbf", b" \n"])) + text.encode()


def collect_bodies(count: int, strategy: st.SearchStrategy[Any]) -> list[Any]:
    """Let Hypothesis think of bodies."""
    bodies: list[Any] = []

    @seed(20261122)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(body: Any) -> None:
        bodies.append(body)

    collect()
    return bodies
