"""What gunicorn's parser says of a request: that it is none, and whether its body was read.

Source: gunicorn 27.0, ``http/body.py``, ``http/errors.py``, ``workers/base.py`` (``handle_error``).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from gunicorn.http.body import ChunkedReader, LengthReader  # type: ignore[import-untyped]
from gunicorn.http.errors import (  # type: ignore[import-untyped]
    ConfigurationProblem,
    ExpectationFailed,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.http.parser import RequestParser  # type: ignore[import-untyped]

_OUR_FAULTS: Final = (ConfigurationProblem, InvalidResponseHeader, InvalidResponseHeaderName)
_STATUSES: Final = (
    ((LimitRequestLine, LimitRequestHeaders), HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
    (ExpectationFailed, HTTPStatus.EXPECTATION_FAILED),
    (UnsupportedTransferCoding, HTTPStatus.NOT_IMPLEMENTED),
)


def is_body_read(parser: RequestParser) -> bool:
    """Tell whether the body of the last request was read to its end, as far as that is known without reading."""
    body = parser.mesg.body
    reader = body.reader
    if body.failed or body.buf.tell():
        return False
    if isinstance(reader, LengthReader):
        return not reader.length
    return isinstance(reader, ChunkedReader) and reader.parser is None and not reader.buf.tell()


def refusal_of(error: BaseException) -> HTTPStatus | None:
    """Return the status for a request that could not be parsed, ``None`` where the fault is not the caller's."""
    if not isinstance(error, ParseException) or isinstance(error, _OUR_FAULTS):
        return None
    return next((status for kinds, status in _STATUSES if isinstance(error, kinds)), HTTPStatus.BAD_REQUEST)


def build_refusal(status: HTTPStatus) -> bytes:
    """Build an answer in the server's own name, after which the connection ends."""
    text = status.phrase
    fields = f"Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(text)}\r\nConnection: close"
    return f"HTTP/1.1 {status.value} {text}\r\n{fields}\r\n\r\n{text}".encode("ascii")
