"""Text that may come from anybody, made fit to be shown: no character in it that a terminal or a format would obey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TextIO


def printable(text: str) -> str:
    """`text` in one line; control characters, lone surrogates and others that cannot be seen become escapes: \\x1b."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else " " if char in "\n\t" else _escape(char) for char in text)


def all_printable(value: Any) -> Any:
    """Plain data with every text in it, keys too, printable."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {all_printable(key): all_printable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [all_printable(item) for item in value]
    return value


class Shown:
    """A text stream that shows lines: what a terminal would obey, but for the end of a line and a tab, is escaped.

    With `quiet`, nobody need read it: what cannot be written is dropped.  All else is that of the stream, `bare`.
    """

    def __init__(self, stream: TextIO, quiet: bool = False) -> None:
        self.bare, self._quiet = stream, quiet

    def __getattr__(self, name: str) -> Any:
        return getattr(self.bare, name)

    def write(self, text: str) -> int:
        """Write the text."""
        shown = text
        if not text.isprintable():
            shown = "".join(char if char in "\n\t" or char.isprintable() else _escape(char) for char in text)
        try:
            self.bare.write(shown)
        except (OSError, ValueError):
            if not self._quiet:
                raise
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        try:
            self.bare.flush()
        except (OSError, ValueError):
            if not self._quiet:
                raise


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
