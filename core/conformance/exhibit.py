"""A historic bug: a scenario that fails on a kernel without one fix and passes on the kernel with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from core.mm.era import Era
from core.plugins.arch import Arch


def same(arch: Arch) -> Arch:
    """`arch` unchanged."""
    return arch


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One row of the museum.

    id         its id in the catalogue (B-01 ...)
    commit     the fix; `cve` if there is one
    wrong      what goes wrong, in one line
    scenario   the id of the scenario that models it
    plugin     the architecture on which it is shown, as `module:object`
    era        an era that has the fix
    lacks      the commits that the variant with the bug lacks (`Era.lacks`)
    broken     a function that takes the fix out of the architecture instead
    """

    id: str
    commit: str
    wrong: str
    scenario: str
    plugin: str = "arch_plugins.generic:Smp"
    era: str = "6.2-fix"
    lacks: frozenset[str] = frozenset()
    broken: Callable[[Arch], Arch] = field(default=same)
    cve: str = ""

    def with_bug(self, arch: Arch, era: Era) -> tuple[Arch, Era]:
        """The architecture and era with the fix taken out."""
        return self.broken(arch), replace(era, lacks=era.lacks | self.lacks)
