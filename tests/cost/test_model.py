"""Prices are ranges with sources; sweeps count every point."""

from __future__ import annotations

import io

import pytest

from core.arch import load_object, set_up
from core.cost import STANDARD, account
from core.cost.model import DEFAULT, MODELS, coefficients_table
from core.cost.sweep import Axis, axis, mapping, pareto, plot, sweep, write_csv
from core.mm.era import ERAS

SMP = "arch_plugins.generic:Smp"
S390 = "arch_plugins.s390:S390"


def counted(era: str, workload: str = "page_fault3", plugin: str = SMP) -> dict[str, int]:
    return account(set_up("x", load_object(plugin), plugin), ERAS[era], STANDARD[workload])


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_every_coefficient_has_a_range_and_a_source(model) -> None:
    assert {c.name for c in model.coefficients.values()} == {"base", "invlpg", "full", "refill", "ipi", "zap_page"}
    for c in model.coefficients.values():
        assert 0 <= c.low <= c.high
        assert c.unit
        assert c.machine
        assert c.source
    assert len(coefficients_table(model)) == 6


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_the_regression_and_its_repair_show_in_the_price(model) -> None:
    before, broken, fixed = (model.price(counted(era)) for era in ("6.1", "5df397dec7", "6.2-fix"))
    assert broken.low > 10 * fixed.low  # 256 IPIs instead of 4
    assert before.low == pytest.approx(fixed.low)
    assert fixed.low < fixed.high
    assert sum(part[1] for part in fixed.parts.values()) == pytest.approx(fixed.high)


def test_what_has_no_coefficient_is_named() -> None:
    price = MODELS[DEFAULT].price(counted("6.2-fix", plugin=S390))
    assert price.unpriced == ("pte_flushes",)
    assert "without pte_flushes" in str(price)


def test_coefficients_can_be_overridden() -> None:
    model = MODELS[DEFAULT].override({"ipi": [1000, 2000], "full": 5}, "arches.toml, prices")
    assert (model.coefficients["ipi"].low, model.coefficients["full"].high) == (1000, 5)
    assert model.coefficients["ipi"].source == "arches.toml, prices"
    with pytest.raises(ValueError, match=r"ipo is no coefficient; expected one of base, invlpg"):
        model.override({"ipo": 1}, "arches.toml")
    with pytest.raises(ValueError, match=r"ipi should be a number or \[low, high\]"):
        model.override({"ipi": -1}, "arches.toml")


def test_axes() -> None:
    assert axis("bundle=1,2,8") == Axis("bundle", (1, 2, 8))
    assert axis("dirty=0:100:50") == Axis("dirty", (0, 50, 100))
    for bad in ("bundel=1", "bundle=x", "bundle=", "bundle=1:2:3:x"):
        with pytest.raises(ValueError, match="expected"):
            axis(bad)


@pytest.mark.parametrize(("pages", "dirty"), [(2048, 0), (2048, 100), (1000, 12), (99, 50), (7, 3)])
def test_a_share_is_spread_evenly(pages: int, dirty: int) -> None:
    flat: list[str] = []
    for first, second in mapping(pages, dirty):
        runs, repeat = (((first, second),), 1) if isinstance(first, str) else (second, first)
        flat.extend([kind for kind, n in runs for _ in range(n)] * repeat)
    assert len(flat) == pages
    assert abs(flat.count("file_dirty") - pages * dirty / 100) < 1


def test_a_sweep_finds_what_the_bundle_is_for() -> None:
    points = list(sweep(SMP, ERAS["5df397dec7"], [axis("bundle=1,8,64"), axis("dirty=0,100")]))
    assert [p["flushes"] for p in points] == [1, 2048, 1, 256, 1, 32]
    out = io.StringIO()
    write_csv(points, out)
    assert out.getvalue().splitlines()[0].startswith("bundle,dirty,ipis,flushes")
    assert len(out.getvalue().splitlines()) == 7


def test_pareto() -> None:
    points = [{"a": 1, "b": 5}, {"a": 2, "b": 2}, {"a": 3, "b": 3}, {"a": 5, "b": 1}, {"a": 5, "b": 1}]
    assert pareto(points, ("a", "b")) == [{"a": 1, "b": 5}, {"a": 2, "b": 2}, {"a": 5, "b": 1}]


def test_plots_are_the_same_for_the_same_points(tmp_path) -> None:
    pytest.importorskip("matplotlib")
    points = list(sweep(SMP, ERAS["6.2-fix"], [axis("bundle=1,8")]))
    for name in ("a.svg", "b.svg", "c.png"):
        plot(points, "bundle", "flushes", [tmp_path / name])
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "c.png").stat().st_size > 1000
