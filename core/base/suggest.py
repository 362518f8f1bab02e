"""What to say of a name that is not known: the known one that was probably meant, or all of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """The known name that is most like `name`, '' if none is; `cutoff` from 0 (any is like it) to 1 (only itself)."""
    near = difflib.get_close_matches(name, list(known), 1, cutoff)
    return near[0] if near else ""


def hint(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """'did you mean NEAREST?', to end an error message with; `otherwise`, or the list of them, if none is like it."""
    known = list(known)
    near = nearest(name, known)
    return f"did you mean {near}?" if near else otherwise or f"expected one of {', '.join(known)}"
