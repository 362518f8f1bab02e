"""A trace as kernel developers write races: one column per CPU, one step a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap

from core.explore.model import Step

GAP = 2
"""Blanks between two columns, at least."""


MAIL_WIDTH = 75
"""Characters of a line that is not wrapped in a mail to a kernel list."""

NUMBER = 5
"""Characters in front of the columns of `mail`."""

NARROWEST = 12
"""Characters of a column of `mail` at least."""


def columns(trace: Sequence[Step]) -> str:
    """The trace with one column per CPU, and on the right what each step changed.

    Brackets hold the initial values that a step is the first to read.  `>` marks the last step, after which the
    property is violated.
    """
    cpus = sorted({step.cpu for step in trace})
    shared = {cpu: len({s.thread for s in trace if s.cpu == cpu}) > 1 for cpu in cpus}
    table = [_titles(trace, cpus)]
    for step in trace:
        said = f"{step.thread}: {step.step}" if shared[step.cpu] else step.step
        table.append([said if cpu == step.cpu else "" for cpu in cpus])
    widths = [max(len(row[at]) for row in table) + GAP for at in range(len(cpus))]
    numbers = ["     ", *(f"{number:3}  " for number in range(1, len(trace)))]
    numbers += [f"{len(trace):3}> "] if trace else []
    right = ["changes", *map(_right, trace)]
    rows = ("".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in table)
    return "\n".join((n + row + r).rstrip() for n, row, r in zip(numbers, rows, right, strict=True))


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
