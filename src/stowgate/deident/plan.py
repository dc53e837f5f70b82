"""What the pass looks up for each tag: the verbs of one data set, compiled from its rules as tags are met."""

from __future__ import annotations

from collections.abc import Callable

from stowgate.deident.actions import REMOVED, Frame, Verb
from stowgate.deident.rules import Node, Rule
from stowgate.policy import Policy

Entry = tuple[bytes, Verb | bytes | None, Rule, str]
"""The VR it was compiled for; the verb, or the bytes that always take its place, or None where it stays unseen; the
rule; action and origin of the rule as they are counted."""


def carried_out(verb: Verb | bytes | None, frame: Frame, start: int, value: int, end: int) -> bytes | None:
    """The new element, b"" when it goes, None when it stays."""
    if verb is None or isinstance(verb, bytes):
        return verb
    return verb(frame, start, value, end)


_MOST = 50_000
"""Entries kept per plan: hostile objects with endless private tags must not fill the memory."""


class Plan:
    """The verbs for one data set: the top level, or the items of one sequence. Shared among threads."""

    __slots__ = ("_children", "_compile", "_unusual", "entries", "explicit", "gone", "gone_as", "node", "policy")

    def __init__(
        self, node: Node, policy: Policy, explicit: bool, compile_entry: Callable[[Plan, int, bytes], Entry]
    ) -> None:
        self.node = node
        self.policy = policy
        self.explicit = explicit
        self.entries: dict[int, Entry] = {}
        self.gone: dict[int, bytes] = {}
        """Private tags that go unseen with this VR, for one and the same rule: often most of a header."""
        self.gone_as = ""
        """What that rule counts as."""
        self._unusual: dict[tuple[int, bytes], Entry] = {}
        self._children: dict[int, Plan] = {}
        self._compile = compile_entry

    def entry(self, tag: int, vr: bytes) -> Entry:
        """The entry for a tag as it is written in this object; cached."""
        usual = self.entries.get(tag)
        if usual is None:
            if len(self.entries) > _MOST:
                self.entries.clear()
                self.gone.clear()
            usual = self.entries[tag] = self._compile(self, tag, vr)
            if tag & 0x10000 and usual[1] == REMOVED and self.gone_as in ("", usual[3]):
                self.gone_as, self.gone[tag] = usual[3], vr
        if usual[0] == vr:
            return usual
        found = self._unusual.get((tag, vr))
        if found is None:
            if len(self._unusual) > _MOST:
                self._unusual.clear()
            found = self._unusual[(tag, vr)] = self._compile(self, tag, vr)
        return found

    def child(self, tag: int) -> Plan:
        """The plan for the items of a sequence; cached."""
        found = self._children.get(tag)
        if found is None:
            node = self.node.child_private() if tag & 0x10000 else self.node.child(tag)
            found = self._children[tag] = Plan(node, self.policy, self.explicit, self._compile)
        return found
