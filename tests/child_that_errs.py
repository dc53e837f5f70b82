"""A process beside one of ours that does what none should: tests/test_child.py."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

from stowgate.child import serve

STREAM = os.dup(1)
"""Where answers go, which nobody but `serve` should have."""


def begin(told: Any) -> Callable[[Any], object]:
    """Answers each message with itself, and errs as it was told to."""

    def answered(message: Any) -> object:
        if told["does"] == "hangs":
            time.sleep(600)
        if told["does"] == "noise":
            os.write(STREAM, b"Segmentation fault, nearly.\n")
        sys.stdout.write("Warning: a library has something to say.\n")
        sys.stdout.flush()
        os.write(1, b"And so has one in C.\n")
        return message

    return answered


if __name__ == "__main__":
    serve(begin)
