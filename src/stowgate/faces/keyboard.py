"""Single keys of a terminal, as they are pressed."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def keys() -> Iterator[Callable[[float], str]]:
    """A function that waits for so many seconds at most and gives the key, "" for none. Ctrl-C stays what it is."""
    import termios
    import tty

    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)
    tty.setcbreak(handle)

    def pressed(seconds: float) -> str:
        readable, _, _ = select.select([handle], [], [], seconds)
        return os.read(handle, 1).decode("latin-1") if readable else ""

    try:
        yield pressed
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)
