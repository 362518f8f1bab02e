"""A row of arches.toml, and what setting up its plugin says.

A plugin is set up once before anything is asked of it: its facts, its hooks and the digest of its source come from
there.  A third party's is set up in a child process, so that nothing of it is imported here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from core.cost.price_model import PriceModel
from core.facts import Facts, first_wrong
from core.mm.era import Era
from core.plugins.arch import Arch, PluginError, load_object, set_up
from core.plugins.load import NoSuchPlugin
from core.run.before import protect_code

OWN = "arch_plugins."
"""The package of the project's own plugins."""

SETUP_TIMEOUT = 30.0
"""Seconds that importing and setting up a third-party plugin may take."""


@dataclass(frozen=True)
class Row:
    """One row of arches.toml.

    `facts` replace facts of the plugin, `expect` gives for scenarios that are declared to fail the reason, `prices`
    replace coefficients, and `problem` says why the row cannot run, or is ''; `missing` if `plugin` names nothing.
    `stated` are the resulting facts, `own` the hooks that the plugin has itself, and `digest` that of the plugin's
    source and of what it reads as it is set up but for what is `unseen`, after `tried`.
    """

    name: str
    plugin: str
    era: Era
    facts: dict[str, Any] = field(default_factory=dict)
    expect: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    missing: bool = False
    prices: dict[str, Any] = field(default_factory=dict)
    stated: Facts | None = field(default=None, repr=False)
    own: frozenset[str] = field(default=frozenset(), repr=False)
    digest: str = ""
    unseen: tuple[str, ...] = field(default=(), repr=False)

    @property
    def foreign(self) -> bool:
        """Is the plugin from outside this project, so that its code must be run in a child process?"""
        module, _, name = self.plugin.partition(":")
        return not (module.startswith(OWN) and name.isidentifier() and module in _own_modules())

    @property
    def guest(self) -> str:
        """What tells the children of this row from those of others, if its plugin is foreign; '' if it is not."""
        return f"{self.name} = {self.plugin}" if self.foreign else ""

    def arch(self) -> Arch:
        """Set up the architecture in this process. PluginError if that fails."""
        return set_up(self.name, load_object(self.plugin), self.plugin, self.facts)

    def model(self, base: PriceModel) -> PriceModel:
        """The price model of this row: `base` with the row's own prices."""
        return base.override(self.prices, "arches.toml: prices")


@lru_cache
def _own_modules() -> frozenset[str]:
    """The modules of the project's own plugins, by their files: a reference that only begins like one is not one."""
    root = Path(__file__).parents[2] / "arch_plugins"
    inside = (path.relative_to(root).with_suffix("").parts for path in root.rglob("*.py"))
    return frozenset(".".join(("arch_plugins", *parts)) for parts in inside)


class SetUp(NamedTuple):
    """What setting up a row's architecture says: facts, own hooks and the digest of its source, or the problem.

    `missing`: what the row's plugin names does not exist.  `unseen`: in words, what it may have read that is not in the
    digest (core.base.watch).
    """

    facts: Facts | None = None
    own: frozenset[str] = frozenset()
    digest: str = ""
    problem: str = ""
    missing: bool = False
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True)
class SettingUp:
    """A job that sets up a row's architecture; its result is SetUp."""

    row: Row

    @property
    def guest(self) -> str:
        """The third party whose code is run."""
        return self.row.guest

    def wrong(self, answer: SetUp) -> str:
        """Why `answer` cannot be; '' if it can."""
        if answer.facts is None:
            return "" if answer.problem else "it has no facts"
        return first_wrong(answer.facts)

    def run(self) -> SetUp:
        """Set up the architecture and discard it."""
        try:
            if self.row.foreign:
                return self._watched()
            arch = shipped_arch(self.row)
        except PluginError as error:
            return SetUp(problem=str(error), missing=isinstance(error, NoSuchPlugin))
        return SetUp(arch.facts, arch.own)

    def _watched(self) -> SetUp:
        from core.base.digest import digest  # hashing takes milliseconds to load
        from core.base.watch import watching

        before = frozenset(sys.modules)
        with watching() as seen:
            arch = self.row.arch()
        return SetUp(arch.facts, arch.own, digest(arch.plugin, before, seen), unseen=seen.words())

    def failed(self, reason: str) -> SetUp:
        """What is said of a plugin that raised, hung or killed its process."""
        return SetUp(problem=f"plugin {self.row.plugin}: setting it up: {' '.join(reason.split())}")


def tried(row: Row, timeout: float | None = None) -> Row:
    """`row` after SettingUp; the code of a third-party plugin is run in a child process only.

    That may take SETUP_TIMEOUT, or `timeout` seconds if those are fewer.
    """
    answer = _foreign_set_up(SettingUp(row), timeout) if row.foreign else _own_set_up(SettingUp(row))
    return replace(
        row,
        stated=answer.facts,
        own=answer.own,
        digest=answer.digest,
        problem=answer.problem,
        missing=answer.missing,
        unseen=answer.unseen,
    )


def _foreign_set_up(job: SettingUp, timeout: float | None) -> SetUp:
    """SettingUp of a third party's plugin, in a child process."""
    from core.run.isolate import isolated
    from core.run.pool import memory_for_each

    limit = SETUP_TIMEOUT if timeout is None else min(timeout, SETUP_TIMEOUT)
    answer: SetUp = isolated(job, limit, memory_for_each(os.cpu_count() or 1))  # several are set up at once
    return answer


_shipped: dict[str, Arch] = {}
"""The shipped plugins that this process has set up, with their own facts: that takes as long as a small search."""


def shipped_arch(row: Row) -> Arch:
    """`row`, whose plugin is a shipped one, set up. PluginError if that fails."""
    if row.plugin not in _shipped:
        _shipped[row.plugin] = replace(row, facts={}).arch()
    arch = _shipped[row.plugin]
    try:
        facts = replace(arch.facts, **row.facts)
    except TypeError:
        return row.arch()  # which says what is wrong
    return row.arch() if first_wrong(facts) else replace(arch, name=row.name, facts=facts)


_own: dict[str, SetUp] = {}
"""By plugin and facts: rows of thousands may share them, and setting up takes milliseconds."""


def _own_set_up(job: SettingUp) -> SetUp:
    """SettingUp of a shipped plugin, in this process."""
    key = f"{job.row.plugin} {sorted(job.row.facts.items())}"
    answer = _own.get(key) or job.run()
    if not answer.problem:  # which names the row
        _own[key] = answer
    return answer


def all_tried(rows: Sequence[Row], timeout: float | None) -> list[Row]:
    """The rows after SettingUp, several third parties' at once: each may take its whole time."""
    if not any(row.foreign and not row.problem for row in rows):
        return [row if row.problem else tried(row) for row in rows]
    from concurrent.futures import ThreadPoolExecutor

    from core.run.isolate import begin, interrupt

    begin()
    protect_code(*(row.plugin for row in rows if row.foreign))
    with ThreadPoolExecutor(os.cpu_count() or 1, "set-up") as pool:
        futures = [pool.submit(tried, row, timeout) if row.foreign and not row.problem else None for row in rows]
        try:
            return [
                future.result() if future is not None else row if row.problem else tried(row)
                for row, future in zip(rows, futures, strict=True)
            ]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            interrupt()
            raise
