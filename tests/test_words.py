"""core.words is the specification: whole, with the order of each word, and sufficient for policies of every kind."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import pytest

from core import scenarios, words
from core.cli.words_page import NAMED, SAMPLES, _mm, operations_of
from core.conformance import SCENARIOS, judge
from core.hookspecs import Architecture, Facts, hookimpl
from core.mm.era import ERAS
from core.plugins.arch import set_up
from core.words import (
    Cell,
    Cpu,
    FlushRequest,
    Mm,
    Op,
    Order,
    Outcome,
    Request,
    Tid,
    csd_cell,
    declare,
    flush_here,
    handler_cell,
    irqs_off_cell,
    mm_cpumask,
    on_each_cpu,
    tlb_cell,
)

ROOT = Path(__file__).parents[1]
WORDS = [name for section in words.SECTIONS for name in section.words]
MM = _mm()


def is_program(thing: Any) -> bool:
    """Whether it returns something to await."""
    returned = inspect.signature(thing).return_annotation
    return (
        inspect.iscoroutinefunction(inspect.unwrap(thing)) or returned == "Op" or str(returned).startswith("Coroutine")
    )


# ---- the specification ---------------------------------------------------------------------------------------


def test_each_word_stands_in_one_section_and_is_exported() -> None:
    assert len(WORDS) == len(set(WORDS)) > 80
    assert set(words.__all__) == {*WORDS, "SECTIONS", "Section", "WORDS_VERSION"}
    assert words.WORDS_VERSION.startswith("0.")


def test_each_word_that_is_awaited_has_a_sample_and_no_other() -> None:
    functions = [name for name in WORDS if inspect.isroutine(getattr(words, name))]
    assert {name for name in functions if is_program(getattr(words, name))} == {*SAMPLES, "barrier"}


def test_what_has_no_docstring_of_its_own_is_described() -> None:
    bare = {
        name
        for name in WORDS
        if not inspect.isroutine(getattr(words, name)) and not inspect.isclass(getattr(words, name))
    }
    assert bare == set(NAMED) - {"Build", "Program"}
    assert all(inspect.getdoc(getattr(words, name)) for name in WORDS if name not in NAMED)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_step_of_a_word_says_its_order(name: str) -> None:
    assert None not in [op.order for op in operations_of(name, MM)]


@pytest.mark.parametrize(
    ("name", "orders"),
    [
        ("xchg_pte", [Order.FULL]),
        ("set_pte", [Order.PLAIN]),
        ("local_ptep_get_and_clear", [Order.PLAIN, Order.PLAIN]),
        ("spin_lock", [Order.ATOMIC_ACQUIRE]),
        ("spin_unlock", [Order.RELEASE]),
        ("cpumask_set_cpu", [Order.ATOMIC]),
        ("issue", [Order.PRIVATE]),
        ("complete", [Order.COMPLETE]),
        ("on_each_cpu", [Order.FULL, Order.FLUSH, Order.ACQUIRE]),
    ],
)
def test_the_order_is_that_of_the_kernels_primitive(name: str, orders: list[Order]) -> None:
    assert [op.order for op in operations_of(name, MM)] == orders


def test_a_barrier_belongs_to_no_thread() -> None:
    with pytest.raises(TypeError, match=r"expected mm\.task\.cpu, got a Tid"):
        words.issue(Tid(1), "TLBI", FlushRequest())  # type: ignore[arg-type]


def modules_of(path: Path) -> set[str]:
    """The modules of this project that a file imports, wherever in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module is not None}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return {module for module in modules if module.partition(".")[0] in ("core", "reports", "benchmarks")}


EXAMPLES = sorted((ROOT / "examples").rglob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_imports_the_public_modules_only(path: Path) -> None:
    """And the architecture that it changes (arch_plugins)."""
    assert modules_of(path) <= {"core.words", "core.scenarios", "core.hookspecs"}


def test_the_pages_of_the_documentation_import_the_public_modules_only() -> None:
    """What docs/add-a-scenario.md shows is written with them alone."""
    page = (ROOT / "docs" / "add-a-scenario.md").read_text(encoding="utf-8")
    imported = re.findall(r"^from (core[.\w]*) import", page, re.MULTILINE)
    assert set(imported) == {"core.scenarios", "core.words"}


def test_there_are_examples_of_plugins_and_of_scenarios() -> None:
    texts = [path.read_text(encoding="utf-8") for path in EXAMPLES]
    assert any("@hookimpl" in text for text in texts)
    assert any("Scenario(" in text for text in texts)


def test_each_word_of_scenarios_is_described() -> None:
    listed = [name for section in scenarios.SECTIONS for name in section.words]
    assert len(listed) == len(set(listed)) > 90
    assert set(scenarios.__all__) == {*listed, "SECTIONS"}
    assert not set(listed) & set(WORDS)
    described = {name for name in listed if (inspect.getdoc(getattr(scenarios, name)) or "").strip()}
    assert set(listed) - described <= set(NAMED)


# ---- policies that need them ---------------------------------------------------------------------------------


class OnEachCpu(Architecture):
    """Interrupts every CPU, those of kernel threads too."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(family="IPI to all")

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await on_each_cpu(mm, FlushRequest())

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await on_each_cpu(mm, FlushRequest(start, end))

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        await on_each_cpu(mm, FlushRequest(addr, addr + 1))


class ThreeSteps(OnEachCpu):
    """A handler that takes the request, flushes, and acknowledges: three steps, with interrupts off."""

    early = False

    @hookimpl
    def flush_tlb_func(self, mm: Mm, sender: Tid, cpu: Cpu) -> Op:
        """Enter the handler."""
        csd, off, handler = csd_cell(sender, cpu), irqs_off_cell(cpu), handler_cell(cpu)

        def step(request: Request | None, irqs_off: bool, inside: object) -> list[Outcome]:
            if request is None or irqs_off:
                return []
            return [Outcome(None, (None if self.early else request, True, (sender, request)))]

        cells = (csd, off, handler)
        return Op(f"enter the handler of T{sender}", cells, cells, step, order=Order.HANDLER)

    @hookimpl
    def cpu_daemons(self, mm: Mm, cpu: Cpu) -> Sequence[Op]:
        """Flush, then acknowledge and leave."""
        handler, off = handler_cell(cpu), irqs_off_cell(cpu)
        entries = tuple(tlb_cell(cpu, addr) for addr in mm.addrs)
        senders = tuple(csd_cell(Tid(number), cpu) for number in range(1, 4))

        def flush(inside: Any, *tlb: Hashable) -> list[Outcome]:
            if not inside or inside == "flushed" or inside[1] is None:
                return []
            kept = (None if inside[1].covers(addr) else entry for addr, entry in zip(mm.addrs, tlb, strict=True))
            return [Outcome(None, ((inside[0], None), *kept))]

        def leave(inside: Any, *requests: Hashable) -> list[Outcome]:
            if not inside or inside[1] is not None:
                return []
            acknowledged = (None if at + 1 == inside[0] else request for at, request in enumerate(requests))
            return [Outcome(None, (None, False, *acknowledged))]

        return (
            Op("handler: flush", (handler, *entries), (handler, *entries), flush, order=Order.FLUSH),
            Op("handler: leave", (handler, *senders), (handler, off, *senders), leave, order=Order.HANDLER),
        )


class AcknowledgesFirst(ThreeSteps):
    """The same, but the sender need not wait for the flush, although the walker goes on."""

    early = True


POSTED = declare("test_words.posted", (), "ghost")


class Posted(OnEachCpu):
    """Requests are posted into a queue of each CPU, which hardware drains by itself; the sender waits for that."""

    waits = True

    async def post(self, mm: Mm, request: FlushRequest) -> None:
        here = mm.task.cpu
        queues = tuple(Cell(POSTED, cpu) for cpu in sorted(await mm_cpumask(mm) - {here}))
        await flush_here(here, mm.addrs, request, f"local {request}")
        if queues:
            added = Op(
                "post",
                queues,
                queues,
                lambda *q: [Outcome(None, tuple((*old, request) for old in q))],
                order=Order.FULL,
            )
            await added
        if queues and self.waits:
            await Op("wait", queues, (), lambda *q: [] if any(q) else [Outcome(None)], order=Order.ACQUIRE)

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await self.post(mm, FlushRequest())

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await self.post(mm, FlushRequest(start, end))

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        await self.post(mm, FlushRequest(addr, addr + 1))

    @hookimpl
    def cpu_daemons(self, mm: Mm, cpu: Cpu) -> Sequence[Op]:
        """Hardware takes the oldest request out of the queue."""
        queue, entries = Cell(POSTED, cpu), tuple(tlb_cell(cpu, addr) for addr in mm.addrs)

        def step(waiting: tuple[FlushRequest, ...], *tlb: Hashable) -> list[Outcome]:
            if not waiting:
                return []
            kept = (None if waiting[0].covers(addr) else entry for addr, entry in zip(mm.addrs, tlb, strict=True))
            return [Outcome(None, (waiting[1:], *kept))]

        return (Op("drain", (queue, *entries), (queue, *entries), step, order=Order.HANDLER),)


class PostsAndGoesOn(Posted):
    """The same without the wait."""

    waits = False


def verdict(plugin: object, scenario: str) -> tuple[str, str]:
    result = judge(set_up("mine", plugin, "test"), ERAS["6.12"], SCENARIOS[scenario])
    return result.verdict, result.reason


ASKED = (
    "use-after-free",
    "range-of-three",
    "dirty-bit-in-time",
    "lost-dirty-dontneed",
    "fork-protects",
    "migrate-batch",
    "table-upwards",
    "table-collapse",
    "three-cpus",
)
"""With a kernel thread, with tables, with three CPUs."""


@pytest.mark.parametrize("scenario", ASKED)
@pytest.mark.parametrize("policy", [OnEachCpu, ThreeSteps, Posted])
def test_a_policy_of_words_alone_passes(policy: type, scenario: str) -> None:
    assert verdict(policy(), scenario)[0] in ("pass", "unsupported")


@pytest.mark.parametrize(
    ("policy", "scenario", "broken"),
    [
        (AcknowledgesFirst, "table-upwards", "walk-of-freed-table"),
        (PostsAndGoesOn, "use-after-free", "use-after-free"),
    ],
)
def test_its_wrong_form_fails(policy: type, scenario: str, broken: str) -> None:
    assert verdict(policy(), scenario) == ("fail", broken)
