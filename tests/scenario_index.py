"""core/conformance/scenarios/index.py, which says what modules of scenarios have, without any of them being imported.

`python -m tests.scenario_index` (`make docs`) writes it anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from core.base.files import write_atomically

PACKAGE = "core.conformance.scenarios"
PLACE = Path(__file__).parents[1] / "core" / "conformance" / "scenarios" / "index.py"

HEAD = '''"""The ids of scenarios by the modules that have them; made by `python -m tests.scenario_index`."""

from __future__ import annotations
'''


def index() -> str:
    """The text of the module, from what the modules of scenarios and large runs have."""
    areas = import_module(PACKAGE).AREAS
    modules = [import_module(f"{PACKAGE}.{name}") for names in areas.values() for name in names]
    parts = [HEAD]
    for kind, name in (("SCENARIOS", "SCENARIO_IDS"), ("FINDINGS", "FINDING_IDS")):
        of = {module.__name__.rpartition(".")[2]: getattr(module, kind, ()) for module in modules}
        lines = [_line(module, (one.id for one in found)) for module, found in of.items() if found]
        parts.append("\n".join([f"{name}: dict[str, tuple[str, ...]] = {{", *lines, "}\n"]))
    large = import_module("core.conformance.large.scenarios").LARGE
    parts.append("\n".join(["LARGE_IDS: tuple[str, ...] = (", *(f'    "{one}",' for one in large), ")\n"]))
    return "\n".join(parts)


def _line(module: str, ids: Iterable[str]) -> str:
    """An entry, with a line for each id: two changes of a module's ids meet in few lines."""
    names = [f'"{name}",' for name in ids]
    if len(names) == 1:
        return f'    "{module}": ({names[0]}),'
    return "\n".join([f'    "{module}": (', *(f"        {name}" for name in names), "    ),"])


if __name__ == "__main__":
    write_atomically(PLACE, index())
