"""Cleaning of descriptors: the engine's own function, which has tests of its own, behind one seam."""

from __future__ import annotations

from stowgate.deident import text
from stowgate.deident.tokens import Known
from tests.oracle.access import Charset
from tests.oracle.tokens import Tokens


def clean_text(before: str, charset: Charset, tokens: Tokens) -> bytes | None:
    """The cleaned value; None when nothing safe is left or it cannot be written in the object's character set."""
    known = Known.of(names=[n.strip(" \0") for n in tokens.names], ids=[o.strip(" \0") for o in tokens.others])
    after = text.clean(before, known)
    if not after:
        return None
    try:
        return after.encode("ascii" if len(charset.encodings) > 1 else charset.encodings[0])
    except UnicodeEncodeError:
        return None
