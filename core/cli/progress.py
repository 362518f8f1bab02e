"""A progress bar on stderr if it is a terminal; nothing otherwise, so that logs stay readable."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType
from typing import TextIO

from core.base.printable import Shown

WIDTH = 40


class Progress:
    """`with Progress(total, stream) as bar: bar.done(n)`."""

    def __init__(self, total: int, stream: TextIO | Shown) -> None:
        self.total, self.stream = max(total, 1), stream
        self.shown = stream.isatty()

    def __enter__(self) -> Progress:
        self.done(0)
        return self

    def done(self, number: int) -> None:
        """Show that `number` of the total are finished."""
        if self.shown:
            full = WIDTH * number // self.total
            self._draw(f"\r[{'#' * full}{'.' * (WIDTH - full)}] {number}/{self.total}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.shown:
            self._draw("\r" + " " * (WIDTH + 20) + "\r")

    def _draw(self, text: str) -> None:
        """Write past `Shown`, which would show the carriage return."""
        bare = self.stream.bare if isinstance(self.stream, Shown) else self.stream
        with suppress(OSError, ValueError):
            bare.write(text)
            bare.flush()
