"""A trace as kernel developers write races: one column per CPU, one step a line."""

from __future__ import annotations

from collections.abc import Sequence

from core.explore.model import Step

GAP = 2
"""Blanks between two columns, at least."""


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


def _titles(trace: Sequence[Step], cpus: Sequence[int]) -> list[str]:
    names = [dict.fromkeys(s.thread for s in trace if s.cpu == cpu) for cpu in cpus]
    return [f"CPU{cpu} {' + '.join(own)}" for cpu, own in zip(cpus, names, strict=True)]


def _right(step: Step) -> str:
    changes = ", ".join(f"{cell}: {before} -> {after}" for cell, before, after in step.changes)
    finds = ", ".join(f"{cell}: {value}" for cell, value in step.finds)
    return " ".join([*([changes] if changes else []), *([f"[{finds}]"] if finds else [])])
