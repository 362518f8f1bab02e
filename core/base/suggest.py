"""What an error message says about an unknown name: the known name that was probably meant, or all of them."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """The known name most similar to `name`, or ''; `cutoff` is the least similarity, from 0 (none) to 1 (equal).

    Case does not count: SMP-6.1 is smp-6.1.
    """
    import difflib  # takes milliseconds, and is needed for an error only

    folded = {one.casefold(): one for one in reversed(list(known))}
    near = difflib.get_close_matches(name.casefold(), list(folded)[::-1], 1, cutoff)
    return folded[near[0]] if near else ""


def hint(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """The end of an error message: 'did you mean NEAREST?', else `otherwise`, else 'expected one of ...'."""
    known = list(known)
    near = nearest(name, known)
    return f"did you mean {near}?" if near else otherwise or f"expected one of {', '.join(known)}"
