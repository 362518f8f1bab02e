"""Prices are ranges with sources; sweeps count every point."""

from __future__ import annotations

import io

import pytest

from core.cost.price_model import DEFAULT, MODELS, coefficients_table
from core.cost.sweep import Axis, SweptArch, axis, known_axes, pareto, plot, sweep, write_csv
from core.cost.workload_counts import account
from core.cost.workloads import STANDARD, Workload, WorkloadStep, spread
from core.mm.era import ERAS
from core.plugins.arch import load_object, set_up
from core.table.rows import plugin_row

SMP = "arch_plugins.generic:Smp"
S390 = "arch_plugins.s390:S390"


def counted(era: str, workload: str = "page_fault3", plugin: str = SMP) -> dict[str, int]:
    return account(set_up("x", load_object(plugin), plugin), ERAS[era], STANDARD[workload])


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_every_coefficient_has_a_range_and_a_source(model) -> None:
    assert {"base", "invlpg", "full", "refill", "ipi", "zap_page", "DSB_ISHST", "TLBSYNC"} <= set(model.coefficients)
    for name, c in model.coefficients.items():
        assert c.name == name
        assert c.unit
        assert c.source
        assert (c.low is None) == (c.high is None)
        if c.low is not None and c.high:
            assert 0 <= c.low <= c.high
            assert c.machine
    assert len(coefficients_table(model)) == len(model.coefficients)


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_the_regression_and_its_repair_show_in_the_price(model) -> None:
    before, broken, fixed = (model.price(counted(era)) for era in ("6.1", "5df397dec7", "6.2-fix"))
    assert broken.low > 10 * fixed.low  # 256 IPIs instead of 4
    assert before.low == pytest.approx(fixed.low)
    assert fixed.low < fixed.high
    assert sum(part[1] for part in fixed.parts.values()) == pytest.approx(fixed.high)


def test_what_has_no_coefficient_is_named() -> None:
    price = MODELS[DEFAULT].price(counted("6.2-fix", plugin=S390))
    assert price.unpriced == ("IPTE",)
    assert "without IPTE" in str(price)


def test_an_instruction_has_a_price_once_it_is_given_one() -> None:
    model = MODELS[DEFAULT].override({"IPTE": [100, 200]}, "arches.toml: prices")
    counts = counted("6.2-fix", plugin=S390)
    price = model.price(counts)
    assert price.unpriced == ()
    assert price.parts["instructions"] == (2048 * 100, 2048 * 200)


def test_broadcasts_are_not_priced_as_x86_does_it() -> None:
    price = MODELS[DEFAULT].price(counted("6.12", plugin="arch_plugins.arm64:Arm64"))
    assert set(price.parts) == {"instructions", "remote", "zap"}
    assert price.parts["instructions"] == (4 * 350, 4 * 350)  # four tables, one flush each
    assert price.parts["remote"] == (0, 0)
    assert price.unpriced == ("TLBI_ASIDE1IS",)


def test_what_firmware_sends_is_in_its_own_price() -> None:
    counts = counted("6.12", plugin="arch_plugins.riscv:Riscv")
    price = MODELS[DEFAULT].override({"SBI_ECALL": 5000}, "test").price(counts)
    assert counts["ipis"] == 4
    assert price.parts["remote"] == (0, 0)
    assert price.parts["instructions"] == (20000, 20000)


def test_an_exit_without_any_flush_is_still_not_x86s() -> None:
    plugin = "arch_plugins.arm64:Arm64"
    load = Workload("exit", "", (WorkloadStep((("anon_dirty", 512),), how="exit"),))
    price = MODELS[DEFAULT].price(account(set_up("x", load_object(plugin), plugin), ERAS["6.12"], load))
    assert price.parts["instructions"] == (0, 0)
    assert price.unpriced == ()


def test_the_longest_hold_of_the_lock_has_its_flush_in_it() -> None:
    model, counts = MODELS[DEFAULT], counted("6.2-fix")
    low, high = model.lock_hold(counts)
    assert counts["max_flushes_per_hold"] == 1
    assert low > model.coefficients["ipi"].low
    price = model.price(counts)
    assert high < price.high
    assert model.lock_hold({**counts, "max_flushes_per_hold": 0})[1] == pytest.approx(512 * 7.2)


def test_coefficients_can_be_overridden() -> None:
    model = MODELS[DEFAULT].override({"ipi": [1000, 2000], "full": 5}, "arches.toml, prices")
    assert (model.coefficients["ipi"].low, model.coefficients["full"].high) == (1000, 5)
    assert model.coefficients["ipi"].source == "arches.toml, prices"
    with pytest.raises(ValueError, match=r"^arches.toml: prices.ipo: no such coefficient; did you mean ipi\?$"):
        model.override({"ipo": 1}, "arches.toml: prices")
    priced = model.override({"insn:tinv": [3, 4]}, "here")
    assert (priced.coefficients["tinv"].value, priced.covers("tinv"), model.covers("tinv")) == ("3 to 4", True, False)
    for wrong in (-1, "x", True, [1], [1, 2, 3], float("inf"), float("nan")):
        with pytest.raises(ValueError, match=r"prices.ipi: expected a number or \[low, high\]"):
            model.override({"ipi": wrong}, "arches.toml: prices")


def test_axes() -> None:
    known = known_axes("mapping")
    assert axis("bundle=1,2,8", known) == Axis("bundle", (1, 2, 8))
    assert axis("dirty=0:100:50", known) == Axis("dirty", (0, 50, 100))
    for bad in ("bundel=1", "bundle=x", "bundle=", "bundle=1:2:3:x", "every=1"):
        with pytest.raises(ValueError, match="expected"):
            axis(bad, known)
    assert axis("every=1", known_axes("checkpoint")).values == (1,)


@pytest.mark.parametrize(("pages", "dirty"), [(2048, 0), (2048, 100), (1000, 12), (99, 50), (7, 3)])
def test_a_share_is_spread_evenly(pages: int, dirty: int) -> None:
    flat: list[str] = []
    for first, second in spread(pages, dirty):
        runs, repeat = (((first, second),), 1) if isinstance(first, str) else (second, first)
        flat.extend([kind for kind, n in runs for _ in range(n)] * repeat)
    assert len(flat) == pages
    assert abs(flat.count("file_dirty") - pages * dirty / 100) < 1


def axes(*texts: str) -> list[Axis]:
    return [axis(text, known_axes("mapping")) for text in texts]


def subject(era: str, plugin: str = SMP) -> SweptArch:
    row = plugin_row(plugin, era)
    return SweptArch(row.name, row.arch, row.era, MODELS[DEFAULT])


def test_a_sweep_finds_what_the_bundle_is_for() -> None:
    points = sweep([subject("5df397dec7")], axes("bundle=1,8,64", "dirty=0,100"))
    assert [p["flushes"] for p in points] == [1, 2048, 1, 256, 1, 32]
    out = io.StringIO()
    write_csv(points, out)
    assert out.getvalue().splitlines()[0].startswith("arch,bundle,dirty,ipis,flushes")
    assert len(out.getvalue().splitlines()) == 7


def test_a_sweep_over_architectures_cpus_and_the_ceiling() -> None:
    subjects = [subject("6.12"), subject("6.12", "arch_plugins.x86_invlpgb:X86Invlpgb")]
    points = sweep(subjects, axes("cpus=1,2,9", "ceiling=100,600"))
    assert [p["ipis"] for p in points] == [0, 0, 4, 4, 32, 32] + [0] * 6
    assert [p["small_flushes"] for p in points] == [0, 4] * 6
    assert points[0]["price_high"] < points[4]["price_low"]


def test_pareto() -> None:
    points = [{"a": 1, "b": 5}, {"a": 2, "b": 2}, {"a": 3, "b": 3}, {"a": 5, "b": 1}, {"a": 5, "b": 1}]
    assert pareto(points, ("a", "b")) == [{"a": 1, "b": 5}, {"a": 2, "b": 2}, {"a": 5, "b": 1}]


def test_plots_are_the_same_for_the_same_points(tmp_path) -> None:
    pytest.importorskip("matplotlib")
    points = sweep([subject("6.2-fix")], axes("bundle=1,8"))
    for name in ("a.svg", "b.svg", "c.png"):
        plot(points, "bundle", "price", [tmp_path / name])
    plot(points, "bundle", "flushes", [tmp_path / "d.svg"])
    assert (tmp_path / "d.svg").read_bytes() != (tmp_path / "a.svg").read_bytes()
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "c.png").stat().st_size > 1000


def test_the_ipis_that_wait_for_lockless_walks_cost_what_ipis_cost_and_no_lock_is_held() -> None:
    counts = {"flushes": 1, "small_flushes": 1, "small_pages": 0, "ipis": 4, "pages_freed": 0}
    counts |= {"max_flushes_per_hold": 1, "max_ptes_per_hold": 0}
    model = MODELS["zen4"]
    without, priced = model.price(counts), model.price({**counts, "sync_ipis": 4})
    assert priced.parts["sync"] == priced.parts["remote"] == (4 * 10850, 4 * 13970)
    assert priced.low - without.low == 4 * 10850
    assert model.lock_hold({**counts, "sync_ipis": 4}) == model.lock_hold(counts)
