"""Options of every socket that leads out: nothing waits for more to send, and a dead link is noticed, and tried."""

from __future__ import annotations

import socket
from contextlib import suppress
from functools import cache

DEAD = 25_000
"""Milliseconds after which a link that carries nothing is given up (TCP_USER_TIMEOUT); it is late by a few seconds."""

_RTO_MAX, _SECONDS = 44, 2_000
"""TCP_RTO_MAX_MS (Linux 6.15): milliseconds between two tries of what was not acknowledged, at most. Otherwise they
double, and a link that was away for a while lies idle for as long again."""


@cache
def options() -> tuple[tuple[int, int, int], ...]:
    """Level, name and value of each option that this system knows."""
    wanted = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_USER_TIMEOUT", DEAD)):
        if hasattr(socket, name):  # macOS has not all of them
            wanted.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    with suppress(OSError), socket.socket() as trial:
        trial.setsockopt(socket.IPPROTO_TCP, _RTO_MAX, _SECONDS)
        if trial.getsockopt(socket.IPPROTO_TCP, _RTO_MAX) == _SECONDS:
            wanted.append((socket.IPPROTO_TCP, _RTO_MAX, _SECONDS))
    return tuple(wanted)
