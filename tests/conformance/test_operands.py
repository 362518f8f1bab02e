"""Mutants of instructions: each is killed by a large run, or it is said why it does no harm."""

from __future__ import annotations

import pytest

from core.cli.resolve_arch import choose
from core.conformance.large.operands import ARGUED, OperandMutant, killer, mutants
from core.table.rows import ALL_ROWS

NUMBERS = {
    "arm64": 16,
    "arm64-range": 25,
    "powerpc-radix": 10,
    "riscv": 5,
    "s390": 12,
    "x86": 8,
    "x86-invlpgb": 13,
}
"""Mutants of each row."""


@pytest.mark.parametrize("row", NUMBERS)
def test_every_changed_operand_is_noticed_or_argued(row: str) -> None:
    choice = choose(row, None, ALL_ROWS)
    arch = choice.arch()
    found = mutants(arch, choice.era)
    assert len(found) == NUMBERS[row]
    survivors = {mutant for mutant in found if not killer(arch, choice.era, mutant)}
    assert survivors == {mutant for argued, mutant in ARGUED if argued == row}


def test_a_mutant_is_killed_by_what_it_breaks() -> None:
    choice = choose("arm64", None, ALL_ROWS)
    arch = choice.arch()
    assert killer(arch, choice.era, OperandMutant("of the last level", "TLBI_VAE1IS")) == "large-munmap"
    assert killer(arch, choice.era, OperandMutant("none", "no such instruction")) == ""
