"""mm/mmu_gather.c of a tree on arm64: tables are freed by RCU, and a flush holds up no walker in software."""

from __future__ import annotations

from typing import Any

from arch_plugins.arm64 import Arm64, Arm64V61
from arch_plugins.from_c._gather_words import VOCABULARY
from arch_plugins.from_c.mmu_gather import GatherFunctions, manifest
from core.tree.automata import Automata
from core.tree.binding import Binding
from core.tree.manifest import Version


class GatherOfArm64(GatherFunctions, Arm64):
    """6.12."""


class GatherOfArm64V61(GatherFunctions, Arm64V61):
    """6.1."""


def _plugin(automata: Automata) -> Any:
    return (GatherOfArm64V61 if automata.unit.version < (6, 12) else GatherOfArm64)(automata)


def _beside(version: Version) -> str:
    return f"arch_plugins.arm64:{'Arm64V61' if version < (6, 12) else 'Arm64'}"


BINDING = Binding("mmu_gather_rcu", manifest, VOCABULARY, _plugin, _beside)
