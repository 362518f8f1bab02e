"""arches.toml: what is wrong is said with file, key and what was expected, and costs its own row only."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.table.rows import ConfigError, era_of, judged_as, load, parse, plugin_row

GOOD = '[[arch]]\nname = "good"\nplugin = "arch_plugins.generic:Smp"\n'


def row(**keys: str) -> str:
    given = {"name": '"bad"', "plugin": '"arch_plugins.generic:Smp"'} | keys
    return "[[arch]]\n" + "".join(f"{key} = {value}\n" for key, value in given.items() if value)


def test_a_plugin_in_a_file_is_looked_for_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from arch_plugins.generic import Smp\n\n\nclass Mine(Smp):\n    pass\n")
    (tmp_path / "mine.toml").write_text('[[arch]]\nname = "mine"\nplugin = "mine.py:Mine"\n')
    (mine,) = load(tmp_path / "mine.toml")
    assert (mine.problem, mine.plugin) == ("", f"{tmp_path / 'mine.py'}:Mine")


def test_the_embedded_default_is_sound() -> None:
    rows = load(None)
    assert [r.name for r in rows if r.problem] == []
    assert {"smp-6.1", "smp-5df397dec7", "smp-6.2-fix", "up", "up-preempt", "s390", "s390-lazy"} <= {
        r.name for r in rows
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (row(colour='"red"'), "f.toml: arch[1].colour: unknown key; expected one of name, plugin, era, facts, expect"),
        (row(plugins='"x"'), "f.toml: arch[1].plugins: unknown key; did you mean plugin?"),
        (row(plugin=""), "f.toml: arch[1].plugin is missing: expected a string"),
        (row(plugin="3"), "f.toml: arch[1].plugin: expected a string, got 3"),
        (row(era='"5.0"'), "f.toml: arch[1].era: expected one of 6.1, 5df397dec7, 6.2-fix"),
        (row(facts="{ bundel = 8 }"), "f.toml: arch[1].facts.bundel: unknown key; did you mean bundle?"),
        (row(facts="{ bundle = -1 }"), "f.toml: arch[1].facts.bundle: expected a number of at least 0, got -1"),
        (
            row(facts="{ page_size = 0 }"),
            "f.toml: arch[1].facts.page_size: expected a power of two of at least 64, got 0",
        ),
        (row(facts="{ ptes_per_table = 3 }"), "facts.ptes_per_table: expected a power of two of at least 1, got 3"),
        (row(facts='{ bundle = "8" }'), "f.toml: arch[1].facts.bundle: expected int, got '8'"),
        (row(facts="{ bundle = true }"), "f.toml: arch[1].facts.bundle: expected int, got True"),
        (
            row(facts='{ preemption = "maybe" }'),
            "facts.preemption: expected one of none, voluntary, full, rt, got 'maybe'",
        ),
        (row(expect="{ nonsense = 'x' }"), "f.toml: arch[1].expect.nonsense: unknown scenario"),
        (row(expect="{ use-after-free = 1 }"), "expect.use-after-free: expected the reason as a string, got 1"),
        (row(plugin='"nowhere.at.all:X"'), "plugin nowhere.at.all:X: importing nowhere.at.all raised ModuleNotFound"),
        (
            row(plugin='"arch_plugins.generic:Smpp"'),
            "plugin arch_plugins.generic:Smpp: there is no Smpp in it; did you mean Smp?",
        ),
        (row(plugin='"nofile.py:X"'), "plugin nofile.py:X: no such file: nofile.py"),
        (row(plugin='"sun"'), "plugin sun: expected module:object, file.py:object, or the name of an entry point"),
    ],
)
def test_a_wrong_row_says_why_and_the_others_stay(text: str, message: str) -> None:
    rows = parse(GOOD + text, "f.toml")
    assert rows[0].problem == ""
    assert message in rows[1].problem
    assert "\n" not in rows[1].problem


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[arch", "f.toml: not TOML"),
        ("", r"f.toml: expected at least one \[\[arch\]\]"),
        ("arch = 3", "f.toml: arch: expected an array of tables, got 3"),
        ('[[workload]]\nname = "w"\nlike = "checkpoint"\nevery = 0\n' + GOOD, "every: expected a number of at least 1"),
        ("[prices]\nipi = [9, 3]\n" + GOOD, r"prices\.ipi: expected a low end of at most the high one; is \[9, 3\]"),
        ("archs = 3\n" + GOOD, "f.toml: archs: unknown key; did you mean arch?"),
        (GOOD + GOOD, "good is used twice"),
        ('[defaults]\nera = "1.0"\n' + GOOD, "f.toml: defaults.era: expected one of"),
    ],
)
def test_a_file_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(text, "f.toml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: no such file"):
        load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("kernel", "era"),
    [
        ("6.12.117", "6.12"),
        ("6.1.192", "6.1"),
        ("6.11", "6.1"),
        ("6.19", "6.18"),
        ("7.1.9", "7.0"),
        ("5.4", None),
        ("", None),
    ],
)
def test_the_era_of_a_kernel_is_the_last_that_is_not_newer(kernel: str, era: str | None) -> None:
    found = era_of(kernel)
    assert (found.name if found else None) == era


def test_a_plugin_is_told_on_which_era_it_is_judged(tmp_path: Path) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from arch_plugins.generic import Smp\nfrom core.hookspecs import Facts, hookimpl\n"
        "class Mine(Smp):\n    @hookimpl\n    def arch_facts(self):\n        return Facts(kernel='6.18')\n"
    )
    row = plugin_row(f"{plugin}:Mine")
    assert judged_as(row) == (
        f"{plugin}:Mine: on the generic mm code of era 6.2-fix, though its facts say that it is of 6.18: --era 6.18"
    )
    assert judged_as(plugin_row(f"{plugin}:Mine", "6.12")).endswith(
        "era 6.12 (6.12.117), though its facts say that it is of 6.18: --era 6.18"
    )
    assert judged_as(plugin_row(f"{plugin}:Mine", "6.18")) == f"{plugin}:Mine: on the generic mm code of era 6.18"
