"""One who looks: a process beside this one that opens, decodes and measures; what kills it kills nothing else."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from stowgate.child import Child
from stowgate.closing import Closing
from stowgate.errors import Misconfigured, Rejected
from stowgate.look.looked import Looked
from stowgate.reasons import REASONS

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from stowgate.store.loan import Loan

_NEEDED = ("numpy", "PIL", "matplotlib", "scipy", "sklearn")


@dataclass(frozen=True, slots=True)
class LookLimits:
    """Bounds for looking at one object.

    seconds -- wall time for all of it
    memory  -- bytes of address space that the process may have
    frames  -- of an object with more, so many are looked at, evenly from the first to the last
    nice    -- how much the process steps back behind others (nice(2))
    """

    seconds: float = 120.0
    memory: int = 4 * 1024 * 1024 * 1024
    frames: int = 64
    nice: int = 0


USUAL = LookLimits()


def need_extra() -> None:
    """Raise `Misconfigured` with what to install, before anything fails half way."""
    if any(find_spec(name) is None for name in _NEEDED):
        raise Misconfigured("image_extra_missing")


class Looker(Closing):
    """Looks at one object after the other; its process is replaced when it dies. For one thread."""

    def __init__(self, limits: LookLimits = USUAL) -> None:
        self._limits = limits
        self._child: Child | None = None

    def look(self, path: str | os.PathLike[str]) -> Looked:
        """What is seen of a file. Raises `Rejected` with the code of why nothing is."""
        return self._asked({"path": os.path.abspath(path)})

    def look_lent(self, loan: Loan) -> Looked:
        """The same of an object of the spool, with the key of this object alone."""
        return self._asked({"loan": loan.plain()})

    def close(self) -> None:
        """Let the process go; the next object starts another."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def _asked(self, message: dict[str, Any]) -> Looked:
        if self._child is None or not self._child.process:
            self._child = Child("stowgate.look.child", asdict(self._limits))
            self._child.wait_until_ready()
        self._child.tell(message)
        answer = self._child.answer(self._limits.seconds)
        if isinstance(answer, dict) and answer.get("code") in REASONS:
            raise Rejected(answer["code"])
        try:
            return _adapter().validate_python(answer)
        except ValueError:
            slow = self._child.timed_out
            self.close()
            raise Rejected("picture_slow" if slow else "picture_decoder_died") from None


@cache
def _adapter() -> TypeAdapter[Looked]:
    from pydantic import TypeAdapter

    return TypeAdapter(Looked)
