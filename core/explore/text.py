"""A trace as kernel developers write races: one column per CPU, one step a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap

from core.explore.model import Step

GAP = 2
"""Blanks between two columns, at least."""

WIDTH = 100
"""Characters of a line of `columns`, at most."""

CHANGES = 38
"""Characters that `columns` leaves for what steps changed, where not everything fits."""


MAIL_WIDTH = 75
"""Characters of a line that is not wrapped in a mail to a kernel list."""

NUMBER = 5
"""Characters in front of the columns of `mail`."""

NARROWEST = 12
"""Characters of a column of `mail` at least."""


def columns(trace: Sequence[Step], width: int = WIDTH) -> str:
    """The trace with one column per CPU, and on the right what each step changed, in lines of at most `width`.

    Brackets hold the initial values that a step is the first to read.  `>` marks the last step, after which the
    property is violated.  Only one CPU does something in a line, so a step that is longer than its column reaches into
    the next; what does not fit is continued below.
    """
    cpus = sorted({step.cpu for step in trace})
    shared = {cpu: len({s.thread for s in trace if s.cpu == cpu}) > 1 for cpu in cpus}
    titles = _titles(trace, cpus)
    said = [f"{step.thread}: {step.step}" if shared[step.cpu] else step.step for step in trace]
    most = [
        max(map(len, [title, *(s for s, step in zip(said, trace, strict=True) if step.cpu == cpu)]), default=0)
        for cpu, title in zip(cpus, titles, strict=True)
    ]
    at = _starts(most, [len(title) for title in titles], [_right(step) for step in trace], width)
    head = "".join(title.ljust(end - start) for title, start, end in zip(titles, at, at[1:], strict=False))
    lines = [f"{'':{NUMBER}}{head}changes"]
    for number, (step, words) in enumerate(zip(trace, said, strict=True), 1):
        mark = f"{number:3}{'>' if number == len(trace) else ' '} "
        lines += _step_lines(mark, words, at[cpus.index(step.cpu)], _right(step), at[-1], width)
    return "\n".join(line.rstrip() for line in lines)


def _starts(widest: Sequence[int], titles: Sequence[int], right: Sequence[str], width: int) -> list[int]:
    """Where each CPU's column begins, and last where the changes do.

    As wide as their widest steps, if all fits into `width`; else narrower, so that changes have CHANGES characters.
    """
    sizes = [size + GAP for size in widest]
    if NUMBER + sum(sizes) + max(map(len, right), default=0) > width:
        room = max(width - CHANGES - NUMBER, 0) // max(len(sizes), 1)
        sizes = [min(size, max(room, title + GAP)) for size, title in zip(sizes, titles, strict=True)]
    return [NUMBER + sum(sizes[:n]) for n in range(len(sizes) + 1)]


def _step_lines(mark: str, said: str, start: int, right: str, changes: int, width: int) -> Iterator[str]:
    """A step that begins at `start` in as many lines as it needs; what it changed is beside its last line, or below.

    A long step leaves less room beside it: what then would not fit, but does below, is below.
    """
    mine = wrap(said, max(width - start, NARROWEST), break_on_hyphens=False) or [""]
    begin = max(changes, start + len(mine[-1]) + GAP)
    room, below = max(width - begin, 1), max(width - changes, NARROWEST)
    parts = wrap(right, room, break_on_hyphens=False)
    if room < NARROWEST or room < len(right) <= below:
        parts = ["", *wrap(right, below, break_on_hyphens=False)]
    elif len(parts) > 1:
        parts = [parts[0], *wrap(right[len(parts[0]) :].lstrip(), below, break_on_hyphens=False)]
    for number, line in enumerate(mine):
        text = f"{mark if number == 0 else '':{start}}{line}"
        yield f"{text:{begin}}{parts[0]}" if parts and number == len(mine) - 1 else text
    yield from (f"{'':{changes}}{part}" for part in parts[1:])


def mail(trace: Sequence[Step], width: int = MAIL_WIDTH) -> str:
    """The trace for a mail: one column per CPU, in lines of at most `width` characters, without what the steps changed.

    Columns are equally wide; a step that does not fit is continued on the next lines.
    """
    cpus = sorted({step.cpu for step in trace})
    shared = {cpu: len({s.thread for s in trace if s.cpu == cpu}) > 1 for cpu in cpus}
    room = max((width - NUMBER) // max(len(cpus), 1), NARROWEST)
    rows = [("", dict(zip(cpus, _titles(trace, cpus), strict=True)))]
    for number, step in enumerate(trace, 1):
        said = f"{step.thread}: {step.step}" if shared[step.cpu] else step.step
        rows.append((f"{number:3}{'>' if number == len(trace) else ''}", {step.cpu: said}))
    return "\n".join(line for number, said in rows for line in _wrapped(number, said, cpus, room))


def _wrapped(number: str, said: Mapping[int, str], cpus: Sequence[int], room: int) -> Iterator[str]:
    """One step in as many lines as its columns of `room` characters need."""
    cells = {cpu: wrap(text, room - 1, break_long_words=True) for cpu, text in said.items()}
    for at in range(max(map(len, cells.values()), default=0)):
        parts = [(cells.get(cpu, [])[at : at + 1] or [""])[0].ljust(room) for cpu in cpus]
        yield f"{number if at == 0 else '':{NUMBER}}{''.join(parts)}".rstrip()


def _titles(trace: Sequence[Step], cpus: Sequence[int]) -> list[str]:
    names = [dict.fromkeys(s.thread for s in trace if s.cpu == cpu) for cpu in cpus]
    return [f"CPU{cpu} {' + '.join(own)}" for cpu, own in zip(cpus, names, strict=True)]


def _right(step: Step) -> str:
    changes = ", ".join(f"{cell}: {before} -> {after}" for cell, before, after in step.changes)
    finds = ", ".join(f"{cell}: {value}" for cell, value in step.finds)
    return " ".join([*([changes] if changes else []), *([f"[{finds}]"] if finds else [])])
