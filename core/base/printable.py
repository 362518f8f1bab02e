"""Text that may come from anybody, made fit to be shown: no character in it that a terminal or a format would obey."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` in one line: control characters, lone surrogates and whatever else cannot be seen become a '?'."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else " " if char.isspace() else "?" for char in text)
