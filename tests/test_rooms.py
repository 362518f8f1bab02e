"""The rooms of docs/architecture.md and the imports between them: each arrow points down, but for those listed here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGES = ("core", "arch_plugins", "reports", "benchmarks")
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

ON_PURPOSE = {
    ("core.plugins.arch", "arch_plugins.generic"): "the generic behaviour is a plugin, registered under every other",
    ("core.mm.mm", "core.hookspecs"): "the type of Mm.hook, for the type checker alone",
}
"""Arrows that point up, with the reason."""

TASKS = {
    "an architecture": 2,
    "a scenario": 2,
    "a kernel function for a new era": 2,
    "a report format": 1,
    "a cost coefficient": 1,
    "a faster search": 1,
}
"""How many rooms a change may touch."""


class Arrow(NamedTuple):
    """`importer` imports `imported`, which is a module; `typed` if for the type checker alone."""

    importer: str
    imported: str
    typed: bool


def modules() -> dict[str, Path]:
    """Every module of the project by name."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    alone = sorted(ROOT.glob("*.py"))
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths + alone
    }


MODULES = modules()


def floors() -> list[list[str]]:
    """The rooms of the page from the top down: a folder ends in '/', a module in '.py'; one floor may have several."""
    block = PAGE.split("## Rooms and arrows", 1)[1].split("```")[1]
    return [re.findall(r"\S+(?:/|\.py)(?=,|\s)", line.split("    ")[0] + " ") for line in block.strip().splitlines()]


FLOORS = floors()
ROOMS = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
"""Each room with its floor, 0 for the top one."""


def room_of(module: str) -> str:
    """The room that a module stands in: the longest that it begins with; '' if it has none."""
    place = MODULES[module].relative_to(ROOT).as_posix()
    return max(
        (room for room in ROOMS if place == room or (room.endswith("/") and place.startswith(room))),
        key=len,
        default="",
    )


def arrows() -> Iterator[Arrow]:
    """Every import of one module of the project by another, wherever in the file it stands."""
    for importer, path in MODULES.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        typed = {node for block in ast.walk(tree) if _for_types(block) for node in ast.walk(block)}
        for node in ast.walk(tree):
            for name in _imported(node):
                yield Arrow(importer, name, node in typed)


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _imported(node: ast.AST) -> list[str]:
    """The modules of the project that a statement imports; relative imports are not in use."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names if alias.name in MODULES]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"line {node.lineno}: a relative import"
        names = [f"{node.module}.{alias.name}" for alias in node.names]
        return [
            name if name in MODULES else str(node.module) for name in names if name in MODULES or node.module in MODULES
        ]
    return []


ARROWS = list(arrows())


def between(one: Arrow) -> tuple[str, str]:
    """The rooms that an arrow goes from and to."""
    return room_of(one.importer), room_of(one.imported)


def test_every_module_has_a_room_and_every_room_a_module() -> None:
    homeless = [module for module in MODULES if not room_of(module) and module != "core"]
    assert not homeless, "docs/architecture.md, Rooms and arrows: no line for these"
    assert {room_of(module) for module in MODULES} - {""} == set(ROOMS)


def test_arrows_point_down() -> None:
    assert len({between(arrow) for arrow in ARROWS}) > 40  # they have been found
    up = {
        (arrow.importer, arrow.imported)
        for arrow in ARROWS
        for source, target in [between(arrow)]
        if source != target and arrow.imported != "core" and ROOMS[source] >= ROOMS[target]
    }
    assert up == set(ON_PURPOSE), "arrows that point up: move what is imported, or list the arrow with its reason"


def test_no_circle_of_rooms_when_the_program_runs() -> None:
    graph: dict[str, set[str]] = {room: set() for room in ROOMS}
    for arrow in ARROWS:
        source, target = between(arrow)
        if source != target and target and not arrow.typed:
            graph[source].add(target)
    assert len(list(TopologicalSorter(graph).static_order())) == len(ROOMS)


def test_the_explorer_would_check_any_program() -> None:
    seen = {arrow.imported for arrow in ARROWS if room_of(arrow.importer) == "core/explore/"}
    outside = {name for name in seen if room_of(name) not in ("core/explore/", "core/base/")}
    assert outside == {"core.machine.op"}


def test_the_table_of_tasks_names_rooms_and_not_too_many() -> None:
    section = PAGE.split("What a change touches:", 1)[1].split("\n## ", 1)[0]
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("| ")]
    rooms = {task: re.findall(r"`([^`]+)`", cell) for task, cell, _ in lines[1:]}
    assert list(rooms) == list(TASKS)
    for task, touched in rooms.items():
        assert 1 <= len(touched) <= TASKS[task], task
        assert set(touched) <= {*ROOMS, "core/arches.toml"}, task
