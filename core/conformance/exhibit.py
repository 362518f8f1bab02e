"""A historic bug: a scenario that a kernel without one fix fails, and the kernel with it passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from core.mm.era import Era
from core.plugins.arch import Arch


def same(arch: Arch) -> Arch:
    """The architecture as it is."""
    return arch


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One row of the museum.

    id         of the catalogue (B-01 ...)
    commit     what fixed it; `cve` where there is one
    wrong      what goes wrong, in a line
    scenario   the id of the scenario that models it
    plugin     the architecture it is shown on, as `module:object`
    era        the policy era that has the fix
    lacks      commits taken out of the core for the variant with the bug (`Era.lacks`)
    broken     or what takes the fix out of the plugin
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
        """The architecture and era without the fix."""
        return self.broken(arch), replace(era, lacks=era.lacks | self.lacks)
