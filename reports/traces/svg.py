"""A trace as a picture: a lane per CPU, a line a step, what it has changed on the right. SVG, without a script."""

from __future__ import annotations

from xml.sax.saxutils import escape

from reports.traces.trace_file import Trace, by_cpu, ending, lines, title

CHAR, LINE, MARGIN, NUMBER = 7.3, 18, 12, 34
"""Pixels: the width of a character, the height of a line, around the picture, and of the numbers."""

STYLE = (
    "text{font:12px ui-monospace,monospace;fill:#1c1e21}.t{font-weight:bold}.c{fill:#7a4a00}.v{fill:#a40e26;"
    "font-weight:bold}rect{fill:#fff}line{stroke:#d0d4da}"
    "@media (prefers-color-scheme:dark){text{fill:#e6e6e6}.c{fill:#f0c674}.v{fill:#ff8a8a}rect{fill:#16181c}"
    "line{stroke:#3a3f47}}"
)


def svg(trace: Trace) -> str:
    """The text of the picture."""
    cpus, steps = by_cpu(trace), list(lines(trace))
    heads = {cpu: f"CPU{cpu} {', '.join(names)}" for cpu, names in cpus.items()}
    said = [f"{s.agent}: {s.step}" if len(cpus[s.cpu]) > 1 else s.step for s in steps]
    left, at = {}, float(MARGIN + NUMBER)
    for cpu, head in heads.items():
        left[cpu] = at
        widest = max(len(text) for text in [head, *(t for t, s in zip(said, steps, strict=True) if s.cpu == cpu)])
        at += (widest + 3) * CHAR
    changes = [", ".join(f"{cell}: {old} → {new}" for cell, old, new in step.changes) for step in steps]
    width = at + max([len(text) for text in [*changes, ""]]) * CHAR + MARGIN
    width = max(width, (max(len(title(trace)), len(ending(trace))) * CHAR) + 2 * MARGIN)
    drawn = [_text(MARGIN, 1, title(trace), "t"), *(_text(left[cpu], 3, head, "t") for cpu, head in heads.items())]
    for number, (step, text, change) in enumerate(zip(steps, said, changes, strict=True), 1):
        drawn += [_text(MARGIN, number + 3, str(number)), _text(left[step.cpu], number + 3, text)]
        drawn += [_text(at, number + 3, change, "c")] if change else []
    drawn.append(_text(MARGIN, len(steps) + 5, ending(trace), "v"))
    height = (len(steps) + 6) * LINE
    lanes = [
        f'<line x1="{x - 6:.0f}" x2="{x - 6:.0f}" y1="{2 * LINE}" y2="{height - 2 * LINE}"/>' for x in left.values()
    ]
    box = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" role="img">'
    named = f"<title>{_safe(title(trace))}</title><style>{STYLE}</style>"
    return f'{box}{named}<rect width="100%" height="100%"/>{"".join(lanes)}{"".join(drawn)}</svg>\n'


def _text(x: float, line: int, text: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.0f}" y="{line * LINE}"{named}>{_safe(text)}</text>' if text else ""


def _safe(text: str) -> str:
    """As XML has it; control characters, which XML has not, become '?'."""
    return escape("".join(char if char.isprintable() else "?" for char in text))
