"""Named workloads count what their programs do; own ones come from TOML, and wrong ones cost one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.compare import main
from core.cost.layout import HUGE
from core.cost.workload_counts import CannotCount, account
from core.cost.workloads import GIB, NAMED, WORKLOADS, Workload, WorkloadStep, build, parameters, tlb_flush2
from core.mm.era import ERAS
from core.plugins.arch import load_object, set_up
from core.table.rows import ConfigError, load_workloads, parse

SMP = "arch_plugins.generic:Smp"


def counted(load: Workload, plugin: str = SMP, cpus: int = 2, **facts: int) -> dict[str, int]:
    return account(set_up("x", load_object(plugin), plugin, facts), ERAS["6.12"], load, cpus)


def test_every_workload_has_a_title_and_a_layout() -> None:
    for name, load in WORKLOADS.items():
        assert load.name == name
        assert load.title
        assert load.steps
        assert parameters(name)


def test_tlb_flush2_flushes_at_each_page_and_once_at_the_end() -> None:
    counts = counted(tlb_flush2(pages=100))
    assert counts["flushes"] == counts["ipis"] == 101
    assert counts["pages_freed"] == 100  # the zero page is not freed
    assert counts["small_flushes"] == 100


def test_more_cpus_are_more_ipis_and_nothing_else() -> None:
    two, nine = (counted(build("page_fault3", {}), cpus=cpus) for cpus in (2, 9))
    assert nine == {**two, "ipis": 8 * two["ipis"], "ipis_running": 8 * two["ipis"]}
    assert counted(build("page_fault3", {}), cpus=1)["ipis"] == 0


def test_huge_pages_take_a_slot_each_and_are_flushed_in_strides() -> None:
    counts = counted(build("kvm_teardown", {"gib": 64}))
    assert counts["pages_freed"] == counts["lock_holds"] == 64 * GIB // 512
    few = counted(Workload("w", "", (WorkloadStep(((HUGE, 33 * 512),)),)))
    assert (few["flushes"], few["small_flushes"], few["small_pages"]) == (1, 1, 33)
    more = counted(Workload("w", "", (WorkloadStep(((HUGE, 34 * 512),)),)))
    assert (more["flushes"], more["small_flushes"]) == (1, 0)


def test_huge_pages_go_by_periods_as_well() -> None:
    facts = {"bundle": 3, "max_gather_batch": 5, "max_gather_batch_count": 2}
    large, small = (counted(Workload("w", "", (WorkloadStep(((HUGE, n * 512),)),)), **facts) for n in (20_000, 200))
    assert large["flushes"] == 100 * small["flushes"] == 2000
    assert large["max_held"] == small["max_held"]


def test_more_huge_pages_than_a_range_instruction_takes() -> None:
    counts = counted(build("kvm_teardown", {"gib": 64}), "arch_plugins.arm64:Arm64Range")
    assert counts["insn:TLBI_ASIDE1IS"] > 0


@pytest.mark.parametrize("runs", [(("anon_dirty", 7), (HUGE, 512)), ((HUGE, 513),), ((2, ((HUGE, 512), ("swap", 1))),)])
def test_a_part_of_a_huge_page_is_said(runs: tuple[object, ...]) -> None:
    load = Workload("mine", "", (WorkloadStep(runs),))  # type: ignore[arg-type]
    with pytest.raises(
        CannotCount, match=r"workload mine: huge_anon: .* no whole huge pages of x; expected multiples of 512"
    ):
        counted(load)
    counted(Workload("mine", "", (WorkloadStep((("anon_dirty", 512), (HUGE, 512), ("swap", 1))),)))


LARGE_FOLIOS = """
[[arch]]
name = "a"
plugin = "arch_plugins.generic:Smp"
[[workload]]
name = "large"
steps = [{{ how = "unmap", runs = [[{repeat}, {pattern}]] }}]
"""


@pytest.mark.parametrize(
    ("pattern", "most"),
    [
        ('[["folio_anon_dirty", 7], ["anon_dirty", 5]]', (1 << 16) // 12),
        ('[["folio_file_clean", 3]]', (1 << 16) // 3),
        ('[["folio_anon_dirty", 1024]]', 256),
        ('[["folio_anon_dirty", 16], ["none", 48]]', (1 << 45) // 64),
    ],
)
def test_large_folios_that_cannot_be_counted_in_time_are_refused(pattern: str, most: int) -> None:
    parse(LARGE_FOLIOS.format(repeat=most, pattern=pattern), "arches.toml")
    with pytest.raises(ConfigError, match=r"workload\[0\].steps\[0\].runs: .* pages.*; expected"):
        parse(LARGE_FOLIOS.format(repeat=most + 1, pattern=pattern), "arches.toml")


def test_writeback_flushes_each_dirty_page_under_the_lock() -> None:
    counts = counted(build("checkpoint_writeback", {"pages": 800, "every": 8}))
    assert counts["flushes"] == counts["ipis"] == counts["lock_holds"] == 100
    assert counts["max_flushes_per_hold"] == 1
    assert counts["pages_freed"] == 0
    assert counted(build("checkpoint_writeback", {"pages": 800}), "arch_plugins.s390:S390")["insn:IPTE"] == 100


def test_fork_flushes_the_parent_once_per_child() -> None:
    counts = counted(build("fork_storm", {"children": 7, "pages": 3}))
    assert counts["flushes"] == 14  # and each child as it exits
    assert counts["full_flushes"] == 14


CONFIG = """
[[arch]]
name = "smp"
plugin = "arch_plugins.generic:Smp"
"""


def own(text: str) -> dict[str, Workload]:
    path = Path("config.toml")
    path.write_text(CONFIG + text, encoding="utf-8")
    return load_workloads(path)


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_workload_like_a_named_one() -> None:
    loads = own('[[workload]]\nname = "mine"\nlike = "checkpoint"\npages = 64\nevery = 2\n')
    assert loads["mine"].steps == (WorkloadStep(((32, (("file_dirty", 1), ("file_clean", 1))),)),)


def test_a_workload_of_steps() -> None:
    loads = own(
        '[[workload]]\nname = "mine"\nsteps = [{ times = 3, runs = [["anon_dirty", 5], [2, [["file_dirty", 1]]]] }]\n'
    )
    assert counted(loads["mine"])["pages_freed"] == 21


WRONG = {
    "name = 3": r"workload\[0\].name: expected a string",
    'name = "m"': r"workload\[0\].steps: expected an array of tables with runs, or the key like",
    'name = "m"\nlike = "nothing"': r"workload\[0\].like: expected one of page_fault3",
    'name = "m"\nlike = "checkpoint"\npage = 3': r"workload\[0\].page: unknown key; did you mean pages\?",
    'name = "m"\nlike = "checkpoint"\npages = "x"': r"workload\[0\].pages: expected a number of at least 0",
    'name = "m"\nlike = "page_fault3"\npages = 0': r"workload\[0\]: file_dirty: expected a positive number of pages",
    'name = "m"\nlike = "checkpoint"\nevery = 0': r"workload\[0\]: ",
    'name = "m"\nsteps = [{ runs = [["file", 1]] }]': r"workload\[0\].steps\[0\].runs: unknown kind of page 'file'",
    'name = "m"\nsteps = [{ runs = [["swap"]] }]': r"steps\[0\].runs: expected \[kind, pages\] or",
    'name = "m"\nsteps = [{ runs = [[2, [[3, []]]]] }]': r"steps\[0\].runs: expected \[kind, pages\], got",
    'name = "m"\nsteps = [{ runs = [] }]': r"steps\[0\].runs: expected at least one run",
    'name = "m"\nsteps = [{ how = "fly", runs = [["swap", 1]] }]': r"how: expected one of unmap, exit, clean, fork",
    'name = "m"\nsteps = [{ times = 0, runs = [["swap", 1]] }]': r"times: expected a number of at least 1",
    'name = "m"\nsteps = [{ how = "clean", runs = [["swap", 2]] }]': r"runs: expected one page",
    'name = "m"\nsteps = [{ tables = "yes", runs = [["swap", 2]] }]': r"tables: expected true or false, got 'yes'",
    'name = "m"\nsteps = [{ how = "fork", tables = true, runs = [["swap", 2]] }]': r"tables: fork frees no page tables",
    'name = "m"\nlike = "munmap_sparse"\npages = 513': r"workload\[0\]: expected tables > 0 and 1 <= pages <= 512, got",
    'name = "m"\nsteps = [3]': r"steps\[0\]: expected a table",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_workload_names_its_key(text: str) -> None:
    with pytest.raises(ConfigError, match=WRONG[text]) as caught:
        parse(f"{CONFIG}[[workload]]\n{text}\n", "config.toml")
    assert str(caught.value).startswith("config.toml: workload[0]")
    assert "\n" not in str(caught.value)


def test_the_commands_count_own_workloads(capsys) -> None:
    own('[[workload]]\nname = "mine"\nlike = "malloc_trim"\npages = 64\n')
    command = ["--config", "config.toml", "--arch", "smp"]
    assert main(["workloads", *command, "--workload", "mine", "--cpus", "5"]) == 0
    assert capsys.readouterr().out.splitlines()[3].split()[:3] == ["mine", "1", "4"]
    assert main(["sweep", "bundle=8", *command, "--workload", "mine"]) == 0
    assert capsys.readouterr().out.splitlines()[2].split()[:2] == ["8", "1"]
    assert main(["run", *command, "--scenario", "use-after-free", "--output", "out"]) == 0
    assert "mine" in capsys.readouterr().out


def test_a_sweep_over_the_parameters_of_a_named_workload(capsys) -> None:
    assert "every" in parameters("checkpoint")
    assert main(["sweep", "every=2,4", "--workload", "checkpoint", "--era", "5df397dec7"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[:2] for row in rows] == [["2", "256"], ["4", "256"]]


@pytest.mark.parametrize("command", ["workloads", "sweep bundle=1"])
def test_a_workload_that_does_not_exist(command: str, capsys) -> None:
    assert main([*command.split(), "--workload", "xyz"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("shootdown: --workload xyz: no such workload; expected one of page_fault3")
    assert len(error.splitlines()) == 1


def test_named_workloads_are_the_ones_that_users_know() -> None:
    assert {"page_fault3", "tlb_flush1", "tlb_flush2", "tlb_flush3", "exit_anon", "kvm_teardown"} <= set(NAMED)
    assert {"malloc_trim", "gc_arenas", "checkpoint", "fork_storm", "exec_storm"} <= set(NAMED)
