"""A progress bar on stderr if it is a terminal; nothing otherwise, so that logs stay readable."""

from __future__ import annotations

from types import TracebackType
from typing import TextIO

WIDTH = 40


class Progress:
    """`with Progress(total, stream) as bar: bar.done(n)`."""

    def __init__(self, total: int, stream: TextIO) -> None:
        self.total, self.stream = max(total, 1), stream
        self.shown = stream.isatty()

    def __enter__(self) -> Progress:
        self.done(0)
        return self

    def done(self, number: int) -> None:
        """Show that `number` of the total are finished."""
        if self.shown:
            full = WIDTH * number // self.total
            self.stream.write(f"\r[{'#' * full}{'.' * (WIDTH - full)}] {number}/{self.total}")
            self.stream.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.shown:
            self.stream.write("\r" + " " * (WIDTH + 20) + "\r")
            self.stream.flush()
