"""Refusals over HTTP: problem+json (RFC 9457) with a code of the table of reasons and nothing of the input."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

from stowgate.reasons import REASONS

if TYPE_CHECKING:
    from starlette.responses import Response

CLOSE: Mapping[str, str] = {"Connection": "close"}
"""For an answer given before the body was read: what still comes must not be taken for the next request."""


def problem(status: int, code: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """A refusal with its status; `code` adds a sentence and an advice, both out of our own table."""
    from starlette.responses import Response

    told: dict[str, object] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    if code:
        reason = REASONS[code]
        told |= {"code": code, "detail": f"{reason.sentence} {reason.advice}".strip()}
    return Response(json.dumps(told), status, headers, "application/problem+json")
