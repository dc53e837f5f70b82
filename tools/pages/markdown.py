"""Words of Markdown: pages, tables, code in a cell, and the blocks that are filled inside pages written by hand."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum

NOTE = "<!-- Rendered from the code by `make docs-tables`; edit the code instead. -->"
_BLOCK = re.compile(r"(<!-- begin: ([a-z-]+) -->\n)(?:.*?\n)??(<!-- end: \2 -->)", re.DOTALL)


def page(title: str, *parts: str) -> str:
    """A page: note, title and its parts, separated by empty lines."""
    return "\n\n".join([NOTE, f"# {title}", *parts]) + "\n"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; bars in cells are escaped and line ends become blanks."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: object) -> str:
    """Text as code, for a cell or a sentence; nothing for nothing."""
    return f"`{text}`" if str(text) else ""


def listed(words: Iterable[object]) -> str:
    """Several words as code, with commas between them."""
    return ", ".join(code(word) for word in words)


def tag(number: int) -> str:
    """(gggg,eeee)."""
    return f"({number >> 16:04X},{number & 0xFFFF:04X})"


def meanings(of: type[Enum]) -> Mapping[str, str]:
    """Name of each member -> the comment that stands behind it in the source."""
    lines = re.findall(r"^    (\w+) = [^#\n]+(?:  # (.+))?$", inspect.getsource(of), flags=re.MULTILINE)
    return {name: comment or name.lower() for name, comment in lines if name in of.__members__}


def filled(text: str, blocks: Mapping[str, Callable[[], str]]) -> str:
    """A page written by hand with its blocks rendered anew; KeyError for a block nobody knows."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n{blocks[found[2]]()}\n\n{found[3]}", text)
