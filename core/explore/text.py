"""A trace as kernel developers write races: one column per CPU, one step a line."""

from __future__ import annotations

from collections.abc import Sequence

from core.explore.model import Step

WIDTH = 36


def columns(trace: Sequence[Step], width: int = WIDTH) -> str:
    """The trace with a column for each CPU that appears, and at the right what each step changed."""
    cpus = sorted({step.cpu for step in trace})
    shared = {cpu: len({s.thread for s in trace if s.cpu == cpu}) > 1 for cpu in cpus}
    titles = [_title(trace, cpu) for cpu in cpus]
    lines = ["     " + "".join(title.ljust(width) for title in titles) + "changes"]
    for number, step in enumerate(trace, 1):
        said = f"{step.thread}: {step.step}" if shared[step.cpu] else step.step
        place = [""] * len(cpus)
        place[cpus.index(step.cpu)] = said
        row = "".join(_fit(text, width) for text in place)
        changes = ", ".join(f"{cell}: {before} -> {after}" for cell, before, after in step.changes)
        lines.append(f"{number:3}  {row}{changes}".rstrip())
    return "\n".join(lines)


def _title(trace: Sequence[Step], cpu: int) -> str:
    names = dict.fromkeys(s.thread for s in trace if s.cpu == cpu)
    return f"CPU{cpu} {' + '.join(names)}"[: WIDTH - 1]


def _fit(text: str, width: int) -> str:
    return (text if len(text) < width else text[: width - 2] + "…").ljust(width)
