"""A sweep shares work between its points; each is what it would be if it were counted alone, page by page."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.compare import main
from core.cost.accountant import Accountant
from core.cost.counts import INSN
from core.cost.layout import Layout
from core.cost.price_model import DEFAULT, MODELS
from core.cost.sweep import FACTS, MACHINE, Axis, Point, SweptArch, gathered, pieces, sweep
from core.cost.workload_counts import REPORTED, Learned
from core.cost.workloads import NAMED, Workload, WorkloadStep, build
from core.mm.era import ERAS
from core.table.rows import plugin_row
from tests.cost.test_accountant import PLUGINS as ACCOUNTED
from tests.cost.test_accountant import arch as architecture
from tests.cost.test_accountant import geometry, stretches

PLUGINS = (
    "generic:Smp",
    "s390:S390",
    "arm64:Arm64Range",
    "x86_invlpgb:X86Invlpgb",
    "riscv:Riscv",
    "powerpc_hash:PowerpcHash",
)


def subject_of(plugin: str, era: str) -> SweptArch:
    """A shipped plugin on the core of an era."""
    row = plugin_row(plugin, era)
    return SweptArch(row.name, row.arch, row.era, MODELS[DEFAULT])


SUBJECTS = {
    (plugin, era): subject_of(f"arch_plugins.{plugin}", era)
    for plugin in PLUGINS
    for era in ("5df397dec7", "6.2-fix", "6.12")
}


def alone(subject: SweptArch, workload: str, given: dict[str, int]) -> Point:
    """One point, counted with nothing but its own: every entry a step of its own, every time."""
    arch, own = subject.arch(), {n: v for n, v in given.items() if n not in (*FACTS, *MACHINE)}
    arch = replace(arch, facts=replace(arch.facts, **{n: v for n, v in given.items() if n in FACTS}))
    cpus, ceiling = (given.get(name, usual) for name, usual in MACHINE.items())
    total: dict[str, int] = {}
    for step in build(workload, own).steps:
        accountant = Accountant(
            arch,
            subject.era,
            Layout(step.runs),
            how=step.how,
            cpus=cpus,
            ceiling=ceiling,
            skip=False,
            long_runs=False,
        )
        for name, n in accountant.count().items():
            most = name.startswith("max_")
            total[name] = max(total.get(name, 0), n) if most else total.get(name, 0) + step.times * n
    counts = {name: n for name, n in total.items() if name in REPORTED or (name.startswith(INSN) and n)}
    price = subject.model.price(counts)
    hold = subject.model.lock_hold(counts)
    cost = {"price_low": round(price.low), "price_high": round(price.high), "unpriced": " ".join(price.unpriced)}
    return {
        "arch": subject.name,
        **given,
        **counts,
        **cost,
        "hold_low": round(hold[0]),
        "hold_high": round(hold[1]),
    }


def told(point: Point) -> Point:
    """Instructions that were not executed are named too."""
    return {name: value for name, value in point.items() if value or not name.startswith(INSN)}


VALUES = {
    "bundle": st.integers(1, 9),
    "max_gather_batch_count": st.integers(0, 3),
    "ptes_per_table": st.sampled_from([4, 16, 512]),
    "page_size": st.sampled_from([64, 128, 4096]),
    "cpus": st.integers(1, 4),
    "ceiling": st.integers(0, 40),
    "pages": st.integers(1, 40),
    "every": st.integers(1, 9),
    "dirty": st.integers(0, 100),
    "resident": st.integers(1, 9),
    "children": st.integers(1, 3),
}
SMALL = {"checkpoint": ("pages", "every"), "mapping": ("pages", "dirty"), "tlb_flush2": ("pages",)}


@st.composite
def grids(draw: st.DrawFn) -> tuple[str, list[Axis]]:
    workload = draw(st.sampled_from(sorted(SMALL)))
    own = SMALL[workload]
    others = draw(st.lists(st.sampled_from([*MACHINE, *(n for n in FACTS if n in VALUES)]), unique=True, max_size=3))
    names = draw(st.permutations([*own, *others]))
    axes = [Axis(name, tuple(draw(st.lists(VALUES[name], min_size=1, max_size=2)))) for name in names]
    return workload, axes


@given(st.sampled_from(sorted(SUBJECTS)), grids())
@settings(max_examples=40)
def test_a_point_is_what_it_is_alone(which: tuple[str, str], grid: tuple[str, list[Axis]]) -> None:
    workload, axes = grid
    points = sweep([SUBJECTS[which]], axes, workload)
    values = product(*(axis.values for axis in axes))
    names = [axis.name for axis in axes]
    expected = [alone(SUBJECTS[which], workload, dict(zip(names, v, strict=True))) for v in values]
    assert [told(point) for point in points] == expected


@pytest.mark.slow
@settings(max_examples=40)
@given(
    layouts=st.lists(stretches, min_size=2, max_size=4),
    facts=geometry,
    plugin=st.sampled_from(sorted(ACCOUNTED)),
    era=st.sampled_from(sorted(ERAS)),
    how=st.sampled_from(["unmap", "exit"]),
)
def test_what_one_layout_has_taught_is_true_of_others(layouts, facts, plugin, era, how) -> None:
    arch = architecture(plugin, **facts)
    learned = Learned(arch, ERAS[era])
    for runs in [*layouts, layouts[0]]:
        slow = Accountant(arch, ERAS[era], Layout(runs), how=how, skip=False, long_runs=False).count()
        frozen = tuple((repeat, tuple(pattern)) for repeat, pattern in runs)
        (counts,) = learned.accounts(Workload("w", "", (WorkloadStep(frozen, how=how),)), 2, (33,))
        assert {name: n for name, n in counts.items() if n} == {
            name: n for name, n in slow.items() if n and (name in REPORTED or name.startswith(INSN))
        }


def test_several_processes_write_what_one_does(tmp_path, capsys) -> None:
    command = ["sweep", "ceiling=3,40", "pages=1:20", "bundle=4:23", "--arch", "smp-6.2-fix", "--arch", "s390"]
    written = []
    for jobs in ("1", "2"):
        path = tmp_path / jobs
        assert main([*command, "--jobs", jobs, "--csv", str(path)]) == 0
        written.append((path.read_bytes(), capsys.readouterr().out))
    assert written[0] == written[1]
    assert written[0][0].count(b"\n") == 1 + 2 * 2 * 20 * 20


def test_pieces_hold_every_point_once_in_whatever_order_the_axes_come() -> None:
    subjects = list(SUBJECTS.values())[:2]
    axes = [Axis("pages", (1, 2)), Axis("ceiling", (1, 33, 40)), Axis("bundle", (2, 1)), Axis("cpus", (1, 2))]
    cut = pieces(subjects, axes, "mapping")
    points, problems = gathered(cut, [piece.run() for piece in cut])
    assert not problems
    grid = [dict(zip([a.name for a in axes], v, strict=True)) for v in product(*(a.values for a in axes))]
    assert [{"arch": p["arch"], **{a.name: p[a.name] for a in axes}} for p in points] == [
        {"arch": subject.name, **given} for subject in subjects for given in grid
    ]


@pytest.mark.parametrize("workload", sorted(SMALL))
def test_small_ones_have_the_parameters_that_are_swept(workload: str) -> None:
    assert NAMED[workload](**dict.fromkeys(SMALL[workload], 1)).steps
