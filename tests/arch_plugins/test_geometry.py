"""Every plugin is small, sets up, and gives the gather the batch sizes of its page and pointer size."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import Any

import pytest

import arch_plugins
from core.facts import TABLE_LEVELS
from core.machine.memory import Memory
from core.machine.op import Cpu, Tid
from core.machine.pte import Pte, pte_cell
from core.machine.schedule import run
from core.machine.task import Task
from core.mm.era import ERAS
from core.mm.mm import Mm, Vma
from core.mm.pgtable import upper_entry
from core.mm.swap import Table
from core.mm.syscalls import munmap
from core.plugins.arch import load_object, set_up

FOUND = [
    (module.name, name)
    for module in pkgutil.iter_modules(arch_plugins.__path__)
    if not module.ispkg
    for name, member in sorted(vars(importlib.import_module(f"arch_plugins.{module.name}")).items())
    if inspect.isclass(member)
    and member.__module__ == f"arch_plugins.{module.name}"
    and hasattr(member, "arch_facts")
    and name not in ("Generic", "Arm64Entries")  # parts of others
]
BATCHES = {
    (8, 4096): (510, 19),
    (8, 8192): (1022, 9),
    (8, 16384): (2046, 4),
    (8, 65536): (8190, 1),
    (4, 4096): (1021, 9),
    (4, 8192): (2045, 4),
    (4, 16384): (4093, 2),
}
"""(sizeof(void *), PAGE_SIZE) -> (MAX_GATHER_BATCH, MAX_GATHER_BATCH_COUNT)."""

ROWS = [
    "x86",
    "x86_invlpgb",
    "arm64",
    "arm",
    "powerpc_radix",
    "powerpc_hash",
    "powerpc_book3s32",
    "powerpc_nohash",
    "s390",
    "sparc64",
    "sparc32",
    "riscv",
    "loongarch",
    "mips",
    "alpha",
    "arc",
    "csky",
    "hexagon",
    "ia64",
    "m68k",
    "microblaze",
    "nios2",
    "openrisc",
    "parisc",
    "sh",
    "um",
    "xtensa",
]


def test_every_architecture_with_an_mmu_has_a_plugin() -> None:
    assert set(ROWS) <= {module for module, _ in FOUND}


@pytest.mark.parametrize(("module", "name"), FOUND)
def test_facts(module: str, name: str) -> None:
    plugin = getattr(importlib.import_module(f"arch_plugins.{module}"), name)()
    facts = set_up(name, plugin, module).facts
    assert facts.family
    assert facts.sources
    assert facts.kernel not in ("6.1", "6.12"), "a point release says more"
    assert (facts.batch_entries, facts.batch_count) == BATCHES[facts.pointer_size, facts.page_size]
    if facts.pointer_size == 8 and facts.gather:
        assert facts.bundle + facts.batch_entries >= facts.ptes_per_table  # a table of dirty pages fits without a flush


LEVELS = {
    "x86:X86": ["pte", "pmd", "pud"],
    "sparc64:Sparc64": ["pte", "pmd", "pud"],
    "loongarch:Loongarch": ["pte", "pmd"],
    "sparc32:Sparc32": ["pte", "pmd"],
    "m68k:M68k": ["pte", "pmd"],
    "arc:Arc": ["pte"],
    "csky:Csky": ["pte"],
    "nios2:Nios2": ["pte"],
    "powerpc_nohash:PowerpcNohash": ["pte"],
}
"""The tables that munmap() of everything frees: those of levels that are not folded."""


@pytest.mark.parametrize("name", LEVELS)
def test_a_folded_level_has_no_table_to_free(name: str) -> None:
    arch = set_up(name, load_object(f"arch_plugins.{name}"), name)
    mm = Mm(
        arch.facts,
        ERAS["6.12"],
        arch.hook,
        Task("t", Tid(1), Cpu(0)),
        addrs=(0,),
        cpus=frozenset({Cpu(0)}),
        tables=True,
    )
    cells = Memory({pte_cell(0): Pte(0), **{upper_entry(level, 0): 0 for level in range(3)}})
    freed: list[str] = []

    def emit(event: tuple[Any, ...]) -> None:
        if event[0] == "call_rcu":
            freed.extend(table.level for table in event[1])
        elif event[0] == "table_free":
            freed.append(event[1])
        elif event[0] == "free":
            freed.extend(page.level for page, _ in event[2] if isinstance(page, Table))

    def only(op: object, outcomes: object) -> Any:
        raise AssertionError(op)

    run(munmap(mm, [Vma(0, 1)], 0, 0), cells, only, emit)
    assert sorted(freed, key=TABLE_LEVELS.index) == LEVELS[name]  # some at once, before those that are queued


HOME = Path(arch_plugins.__path__[0])


@pytest.mark.parametrize("module", sorted(path.stem for path in HOME.glob("*.py") if path.stem != "generic"))
def test_a_plugin_is_small(module: str) -> None:
    """All but the generic base, which implements every hook."""
    tree = ast.parse((HOME / f"{module}.py").read_text())
    lines = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for line in (range(node.lineno, node.end_lineno + 1) if not hasattr(node, "body") else [node.lineno])
    }
    assert len(lines) <= 80


def test_no_two_plugins_repeat_a_body() -> None:
    seen: dict[str, str] = {}
    for path in sorted(HOME.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
                statements = node.body[1:] if ast.get_docstring(node) else node.body
                body = "\n".join(ast.dump(statement) for statement in statements)
                if len(statements) > 1:
                    assert body not in seen, f"{path.name}: {node.name} repeats {seen[body]}"
                seen[body] = f"{path.name}: {node.name}"
