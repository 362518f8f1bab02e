"""A trace as a log for ShiViz: each step with a vector clock, so that what happens before what can be seen.

A step happens after the one before it of the same agent, and after the last one that has written a cell that it reads
or writes.
"""

from __future__ import annotations

import json
import re

from reports.traces.trace_file import Trace, lines

PARSER = r"(?<host>\S*) (?<clock>{.*})\n(?<event>.*)"
"""The regular expression that ShiViz is to be told; it is the first line of the log."""

Clock = dict[str, int]


def shiviz(trace: Trace) -> str:
    """The text: the parser, an empty line, then two lines a step."""
    own: dict[str, Clock] = {}
    wrote: dict[int, Clock] = {}
    text = [PARSER, ""]
    cells = [cell["shown"] for cell in trace["cells"]]
    for step, line in zip(trace["steps"], lines(trace), strict=True):
        host = re.sub(r"\s", "_", f"CPU{line.cpu}_{line.agent}")
        changed = [cells.index(cell) for cell, _, _ in line.changes]
        clock = dict(own.get(host, {}))
        for cell in {*step["reads"], *changed}:
            for name, count in wrote.get(cell, {}).items():
                clock[name] = max(clock.get(name, 0), count)
        clock[host] = clock.get(host, 0) + 1
        own[host] = clock
        wrote |= dict.fromkeys(changed, clock)
        event = line.step + "".join(f"; {cell}: {old} -> {new}" for cell, old, new in line.changes)
        text += [f"{host} {json.dumps(clock)}", " ".join(event.split())]
    return "\n".join(text) + "\n"
