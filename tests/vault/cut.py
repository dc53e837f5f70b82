"""Ends a piece of work at its n-th call that changes the disk, as a kill would, within this process."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest


class Cut(BaseException):
    """Nothing after this happens."""


def cut_at(number: int, monkeypatch: pytest.MonkeyPatch, run: Callable[[], object]) -> bool:
    """Run until the n-th call that changes the disk, which does not happen; False if there were fewer."""
    calls = 0

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **more: object) -> object:
            nonlocal calls
            calls += 1
            if calls >= number:  # a dead process does not clean up either
                raise Cut
            return real(*arguments, **more)

        return call

    with monkeypatch.context() as patch:
        for name in ("write", "fsync", "rename", "unlink", "link"):
            patch.setattr(os, name, counted(getattr(os, name)))
        try:
            run()
        except Cut:
            return True
    return False
