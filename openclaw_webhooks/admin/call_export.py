"""Calls as a file, CSV or JSON: whatever the list is narrowed down to, page by page, never whole in memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, TypeAlias

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db.models import Q, QuerySet
from django.http import HttpRequest, StreamingHttpResponse

from openclaw_webhooks.models import Call

FORMATS: Final = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
TOTAL_HEADER: Final = "X-Total-Calls"
"""How many rows the file will have; ``export.js`` shows how far it is."""
_PAGE: Final = 2000
_FIELDS: Final = (
    "route_id",
    "action",
    "status",
    "code",
    "refused_by",
    "client",
    "request_id",
    "flow_id",
    "count",
    "duration_us",
    "engine_us",
    "body_bytes",
)
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")

Cell: TypeAlias = "str | int | None"


def build_export(request: HttpRequest, calls: QuerySet[Call], format_name: str) -> StreamingHttpResponse:
    """Answer with a file of these calls, newest first.

    Args:
        request: Decides whether the pages are read by a thread (ASGI) or as they are asked for.
        calls: Which; read in pages by time and key, so that what is written meanwhile shifts nothing.
        format_name: One of ``FORMATS``.
    """
    pages = _write_csv if format_name == "csv" else _write_json
    chunks = _read_aside(calls, pages) if isinstance(request, ASGIRequest) else _read(calls, pages)
    response = StreamingHttpResponse(chunks, content_type=FORMATS[format_name])
    response["Content-Disposition"] = f'attachment; filename="webhook-calls.{format_name}"'
    response["Cache-Control"] = "no-store"
    response[TOTAL_HEADER] = str(calls.order_by().count())
    return response


Writer: TypeAlias = "Callable[[Sequence[Call] | None, bool], str]"
"""Writes one page, told whether it is the first; ``None`` for the end."""


def _read(calls: QuerySet[Call], write: Writer) -> Iterator[str]:
    last: Call | None = None
    is_first = True
    while page := _fetch_page(calls, last):
        yield write(page, is_first)
        last, is_first = page[-1], False
    yield write(None, is_first)


async def _read_aside(calls: QuerySet[Call], write: Writer) -> AsyncIterator[str]:
    chunks = _read(calls, write)

    def read_on() -> str | None:
        return next(chunks, None)

    # One page at a time in a thread: the event loop goes on serving.
    while (chunk := await sync_to_async(read_on)()) is not None:
        yield chunk


def _fetch_page(calls: QuerySet[Call], last: Call | None) -> list[Call]:
    ordered = calls.order_by("-at_ms", "-id")
    if last is not None:
        # The first condition is what an index is read from; alone, the second would be looked up from its start.
        ordered = ordered.filter(at_ms__lte=last.at_ms).filter(Q(at_ms__lt=last.at_ms) | Q(id__lt=last.pk))
    return list(ordered[:_PAGE])


def _row(call: Call) -> dict[str, Cell]:
    at = datetime.fromtimestamp(call.at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return {"at": at, **{name: getattr(call, name) for name in _FIELDS}}


def _write_csv(page: Sequence[Call] | None, is_first: bool) -> str:
    if page is None and not is_first:
        return ""
    file = io.StringIO()
    writer = csv.writer(file)
    if is_first:
        writer.writerow(("at", *_FIELDS))
    for call in page or ():
        writer.writerow([_harmless(value) for value in _row(call).values()])
    return file.getvalue()


def _harmless(value: Cell) -> Cell:
    """Keep a spreadsheet from taking a caller's text for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def _write_json(page: Sequence[Call] | None, is_first: bool) -> str:
    if page is None:
        return "[]\n" if is_first else "\n]\n"
    lines = ",\n".join(json.dumps(_row(call), ensure_ascii=False) for call in page)
    return ("[\n" if is_first else ",\n") + lines
