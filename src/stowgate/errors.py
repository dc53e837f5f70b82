"""The three errors, named by what happens next; no message ever carries a value from a header."""

from __future__ import annotations

import errno

from stowgate.reasons import REASONS


class StowgateError(Exception):
    """Base of all errors of the product: a code of `reasons.REASONS` and, if it helps, a place.

    `place` is a tag path such as "(0040,A730)[0].(0010,0010)", a setting's name or a folder the user
    typed; it is never a value out of an object.
    """

    def __init__(self, code: str, place: str = "") -> None:
        self.code = code
        self.place = place
        super().__init__(code)

    def __str__(self) -> str:
        reason = REASONS[self.code]
        place = self.place if self.place.startswith("(") else f"({self.place})"
        where = f" {place}" if self.place else ""
        return f"{reason.sentence}{where} {reason.advice}".strip()


class Temporary(StowgateError):
    """Trying again later can succeed. `after` is the peer's hint in seconds, if it gave one."""

    def __init__(self, code: str, place: str = "", after: float | None = None) -> None:
        super().__init__(code, place)
        self.after = after


class Rejected(StowgateError):
    """This object cannot go on as it is; the others can."""


class Misconfigured(StowgateError):
    """A person has to change a setting, a key or a folder; every object keeps its place."""


_SCARCE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "disk_full"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "no_descriptors"),
}
"""What there may be more of later, and says nothing about the health of a disk."""


def disk_code(error: OSError, otherwise: str) -> str:
    """The code for a system call that failed: "disk_full", "no_descriptors" where those ran out, else the other one."""
    return _SCARCE.get(error.errno or 0, otherwise)
