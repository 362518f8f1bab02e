"""The pages docs/words.md and docs/scenario-words.md: what a policy, and what a scenario, is written in.

They are made from core.words and core.scenarios, and from the words themselves.

The order of a word is not written down a second time: a sample of each is run, and its operations say it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Coroutine, Iterator, Sequence
from types import ModuleType
from typing import Any

from core import scenarios, words
from core.conformance.world import World
from core.machine.meaning import MEANINGS, Meaning
from core.machine.memory import Memory
from core.machine.op import Op, doing
from core.machine.order import Order
from core.machine.schedule import run
from core.mm.mm import Mm
from core.mm.mmu_gather import Batch, reset_range, tlb_flush_pte_range
from core.table.rows import load
from core.words import SECTIONS, Cell, Cpu, FlushRequest, MmuGather, Pte, Table, Tid

FLUSH = FlushRequest(0, 1)
THERE = Cpu(1)
LOCK, MINE = Cell("ptl", 0), Cell("mm_users")

SAMPLES: dict[str, Callable[[Mm], Op | Coroutine[Op, Any, Any]]] = {
    "read_once": lambda mm: words.read_once(MINE),
    "write_once": lambda mm: words.write_once(MINE, 1),
    "log": lambda mm: words.log("event"),
    "pte_accessible": lambda mm: words.pte_accessible(mm, words.ProtNone(0, True, False)),
    "ptep_get": lambda mm: words.ptep_get(0),
    "set_pte": lambda mm: words.set_pte(0, Pte(0)),
    "set_pte_at": lambda mm: words.set_pte_at(mm, 0, Pte(0)),
    "xchg_pte": lambda mm: words.xchg_pte(0, 1),
    "local_ptep_get_and_clear": lambda mm: words.local_ptep_get_and_clear(0, 1),
    "wrprotect_pte": lambda mm: words.wrprotect_pte(0),
    "allow_pte": lambda mm: words.allow_pte(0, Pte(0)),
    "clean_pte": lambda mm: words.clean_pte(0),
    "test_and_clear_young": lambda mm: words.test_and_clear_young(0),
    "xchg_pte_young": lambda mm: words.xchg_pte_young(0, 1),
    "xchg_pmd": lambda mm: words.xchg_pmd(mm, 0),
    "establish_invalid_pmd": lambda mm: words.establish_invalid_pmd(mm, 0),
    "get_and_clear_pmd": lambda mm: words.get_and_clear_pmd(mm, 0),
    "invalidate": lambda mm: words.invalidate((mm.task.cpu,), (0,), "INVLPG"),
    "flush_here": lambda mm: words.flush_here(mm.task.cpu, (0,), FLUSH, "INVLPG"),
    "send_ipis": lambda mm: words.send_ipis(mm.task, [THERE], FLUSH),
    "wait_ipis": lambda mm: words.wait_ipis(mm.task, [THERE]),
    "take_ipi": lambda mm: words.take_ipi(Tid(1), THERE, (0,)),
    "flush_by_ipi": lambda mm: words.flush_by_ipi(mm, FLUSH),
    "flush_cpus_by_ipi": lambda mm: words.flush_cpus_by_ipi(mm, frozenset({mm.task.cpu, THERE}), FLUSH),
    "on_each_cpu": lambda mm: words.on_each_cpu(mm, FLUSH),
    "issue": lambda mm: words.issue(mm.task.cpu, "TLBI", FLUSH),
    "complete": lambda mm: words.complete(mm.task.cpu, [mm.task.cpu], (0,), "DSB ISH"),
    "insn": lambda mm: words.insn(mm.task.cpu, "INVLPG"),
    "spin_lock": lambda mm: words.spin_lock(LOCK, mm.task),
    "spin_trylock": lambda mm: words.spin_trylock(LOCK, mm.task),
    "spin_unlock": lambda mm: words.spin_unlock(LOCK, mm.task),
    "preempt_disable": lambda mm: words.preempt_disable(),
    "preempt_enable": lambda mm: words.preempt_enable(),
    "mm_cpumask": lambda mm: words.mm_cpumask(mm),
    "cpumask_set_cpu": lambda mm: words.cpumask_set_cpu(mm),
    "cpumask_clear_cpu": lambda mm: words.cpumask_clear_cpu(mm),
    "smp_processor_id": lambda mm: words.smp_processor_id(mm),
    "mm_users": lambda mm: words.mm_users(),
    "current_mm": lambda mm: words.current_mm(mm.task.cpu),
    "active_mm": lambda mm: words.active_mm(mm.task.cpu),
    "gather_page": lambda mm: words.gather_page(_gather(mm), 0, 1, False),
    "tlb_flush_mmu_tlbonly": lambda mm: words.tlb_flush_mmu_tlbonly(_gather(mm)),
    "tlb_remove_table": lambda mm: words.tlb_remove_table(_gather(mm), Table("pte", 0)),
    "tlb_remove_table_sync_one": lambda mm: words.tlb_remove_table_sync_one(mm),
    "free_table": lambda mm: words.free_table(Table("pte", 0)),
}
"""A call of each word that is an operation or a program."""

NAMED = {
    "Present": "`Pte` or `ProtNone`: an entry of which pte_present() is true.",
    "Entry": "What the cell of an entry may hold: `Pte`, `ProtNone`, `Swap`, `Migration`, or None for an empty one.",
    "CPUMASK": "The cell of mm_cpumask, a frozenset of `Cpu`, in models in which it changes (`mm.cpus` is None).",
    "EVERYTHING": "The operand of an instruction that invalidates all of the address space on its own CPU.",
    "EVERYWHERE": "The same on every CPU.",
    "Build": "A function of (arch, era) that returns a `Model`.",
    "Program": "An `async def` that takes the task's view of the address space, an `Mm`.",
}
"""Words that are no class and no function."""


def as_markdown(text: str) -> str:
    """Text of a docstring as Markdown: what looks like HTML or emphasis outside of code stays as it is."""
    parts = text.split("`")
    parts[::2] = [part.replace("<", "&lt;").replace("__", "\\_\\_") for part in parts[::2]]
    return "`".join(parts)


def words_page(made: str) -> str:
    """The specification; `made` says what the page is made by."""
    head = ["# The words", made, inspect.cleandoc(words.__doc__ or "").partition("\n\nData types")[0]]
    version = f"Version {words.WORDS_VERSION} (`core.words.WORDS_VERSION`), of the words and of the [hooks](hooks.md)."
    mm = _mm()
    return "\n\n".join([*head, version, *_sections(words, SECTIONS, mm), "## Orders", ORDERS, _orders()])


def scenario_words_page(made: str) -> str:
    """The words of scenarios, workloads and rules; `made` says what the page is made by."""
    doc = as_markdown(inspect.cleandoc(scenarios.__doc__ or ""))
    return "\n\n".join(["# The words of scenarios", made, doc, *_sections(scenarios, scenarios.SECTIONS, _mm())])


def _sections(module: ModuleType, sections: Sequence[words.Section], mm: Mm) -> Iterator[str]:
    for section in sections:
        yield f"## {section.title}"
        yield section.text
        for name in section.words:
            yield _word(module, name, mm)


def _mm() -> Mm:
    """An mm of generic SMP, whose mask is a cell, on two CPUs."""
    row = next(row for row in load(None) if row.arch().facts.smp)
    cpus = frozenset({Cpu(0), THERE})
    world = World(row.arch(), row.era, {0: Pte(0)}, more={"cpus": None, "online": cpus, "tables": True})
    return world.mm().on(world.task("one", _nothing))


async def _nothing(mm: Mm) -> None:
    """The program of a task that is only looked at."""


def _gather(mm: Mm) -> MmuGather:
    """One in which an entry has been cleared."""
    tlb = MmuGather(mm, False, [Batch(mm.facts.bundle)])
    reset_range(tlb)
    tlb_flush_pte_range(tlb, 0, 1)
    return tlb


def operations_of(name: str, mm: Mm) -> list[Op]:
    """The operations of which the sample of a word consists: each is done, and nobody waits for anybody."""
    memory = Memory({words.pte_cell(0): Pte(0), words.CPUMASK: mm.online})
    met: list[Op] = []

    async def do(op: Op) -> Any:
        met.append(op)
        for outcome in op.step(*[memory[cell] for cell in op.reads])[:1]:
            memory.update(zip(op.writes, outcome.written, strict=True))
            return outcome.value
        return None

    async def program() -> None:
        sample = SAMPLES[name](mm)
        await (do(sample) if isinstance(sample, Op) else doing(sample, do))

    run(program(), memory, lambda op, outcomes: outcomes[0], lambda event: None)
    return met


def _word(module: ModuleType, name: str, mm: Mm) -> str:
    thing = getattr(module, name)
    if name in NAMED:
        return f"### {name}\n\n{NAMED[name]}"
    doc = as_markdown(inspect.getdoc(thing) or "")
    if inspect.isclass(thing):
        return "\n\n".join([f"### {name}", _with_bullets(doc), *_methods(thing, METHODS.get(name, ()))])
    kind = "async def" if inspect.iscoroutinefunction(inspect.unwrap(thing)) else "def"
    shown = f"### {name}\n\n```python\n{kind} {name}{_signature(thing)}\n```\n\n{doc}"
    if module is not words or name not in SAMPLES:
        return shown
    orders = dict.fromkeys(op.order.name for op in operations_of(name, mm) if op.order is not None)
    return f"{shown}\n\nOrder: {', '.join(orders) or 'no step of its own'}."


METHODS = {"World": ("task", "kthread", "model", "attach")}
"""Of a class, the methods that are words as well."""


def _methods(cls: type, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        method = getattr(cls, name)
        shown = f"{cls.__name__}.{name}{_signature(method)}".replace("(self, ", "(")
        yield f"```python\n{shown}\n```\n\n{as_markdown(inspect.getdoc(method) or '')}"


def _with_bullets(doc: str) -> str:
    """A docstring's columns of attributes (name, two spaces or more, text) as a list."""
    return re.sub(r"(?m)^( *)(\w+) {2,}(?=\S)", r"\1* `\2`: ", doc)


def _signature(thing: Any) -> str:
    """With annotations, which are kept as text, out of their quotes."""
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(thing)))


ORDERS = (
    "What an operation promises, and what that means where the architecture's memory model is `tso` (x86, s390, "
    "sparc64) or `weak` (arm64, riscv, powerpc radix). Under sequential consistency, which all others have, it means "
    "nothing."
)


def _orders() -> str:
    rows = ["| order | promise | tso | weak |", "|---|---|---|---|"]
    for order in Order:
        means = [_meant(MEANINGS[model][order]) for model in ("tso", "weak")]
        rows.append(f"| `{order.name}` | {order.value} | {means[0]} | {means[1]} |")
    return "\n".join(rows)


def _meant(means: Meaning) -> str:
    said = {
        "waits for the CPU's stores to be visible": means.waits,
        "its stores wait, behind all that are older": means.buffers and means.release,
        "its stores wait": means.buffers and not means.release,
        "nobody else changes the cell meanwhile": means.reserves,
        "no later store passes an older one": means.marks,
    }
    return "; ".join(what for what, true in said.items() if true) or "nothing"
