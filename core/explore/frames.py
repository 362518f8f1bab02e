"""The frames of a suspended coroutine, outermost first: where in the program's text it waits.

Python links a coroutine to the one that it awaits.  Where one drives another by hand (`core.machine.op.doing`, the
scheduler of a shared CPU), the driven one is a local variable of the driver, and what the driver awaits meanwhile is
the driven one's operation: so the driven one is followed, and not what the driver awaits.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from pathlib import Path
from types import CoroutineType, FrameType
from typing import Any

ROOTS = ("core", "arch_plugins")
"""Directories at which the path of a file of ours begins."""


def frames(suspended: Coroutine[Any, Any, Any]) -> Iterator[FrameType]:
    """The frames from the program itself to the innermost function that has awaited the pending operation."""
    at: Any = suspended
    while isinstance(at, CoroutineType):
        frame = at.cr_frame
        if frame is None:
            return
        yield frame
        driven = [v for v in frame.f_locals.values() if isinstance(v, CoroutineType) and _began(v)]
        at = driven[-1] if driven else at.cr_await


def _began(coroutine: CoroutineType[Any, Any, Any]) -> bool:
    return coroutine.cr_frame is not None and coroutine.cr_suspended


def place(suspended: Coroutine[Any, Any, Any]) -> str:
    """The line of the innermost function that has awaited the pending operation: 'core/mm/memory.py:120'."""
    last = ""
    for frame in frames(suspended):
        parts = Path(frame.f_code.co_filename).parts
        roots = [at for at, part in enumerate(parts) if part in ROOTS]
        last = f"{'/'.join(parts[roots[-1] :]) if roots else parts[-1]}:{frame.f_lineno}"
    return last
