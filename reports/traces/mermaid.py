"""A trace as a Mermaid sequence diagram, which renders in the web view of a commit message; text alone."""

from __future__ import annotations

from reports.traces.trace_file import Trace, by_cpu, ending, lines, title

LONGEST = 60
"""Characters of a value that are shown."""


def mermaid(trace: Trace) -> str:
    """The text: a lifeline per CPU, a message per step, a note for what it has changed."""
    text = ["sequenceDiagram", f"    title {_safe(title(trace))}"]
    cpus = by_cpu(trace)
    text += [f"    participant CPU{cpu} as CPU{cpu} {_safe(', '.join(names))}" for cpu, names in cpus.items()]
    for line in lines(trace):
        shared = len(cpus[line.cpu]) > 1
        said = f"{line.agent}: {line.step}" if shared else line.step
        text.append(f"    CPU{line.cpu}->>CPU{line.cpu}: {_safe(said)}")
        changes = "<br/>".join(_safe(f"{cell}: {old} → {new}") for cell, old, new in line.changes)
        text += [f"    Note right of CPU{line.cpu}: {changes}"] if changes else []
    if cpus and ending(trace):
        ends = f"CPU{min(cpus)}" if len(cpus) == 1 else f"CPU{min(cpus)},CPU{max(cpus)}"
        text.append(f"    Note over {ends}: {_safe(ending(trace))}")
    return "\n".join(text) + "\n"


def _safe(text: str) -> str:
    """Without what Mermaid reads as syntax: an entity for each such character, in one line."""
    short = text if len(text) <= 4 * LONGEST else text[: 4 * LONGEST] + "…"
    return "".join(f"#{ord(char)};" if char in '#;:<>{}"`%' else char if char.isprintable() else " " for char in short)
