"""Bits of translation-table entries."""

from __future__ import annotations

import pytest

from core.memory_model.values import Descriptor, NotExpressible, calculate, updated

ENTRY = Descriptor("x", 1, 1, 1, 0, 1)
VALID, READ_ONLY, ACCESSED, DBM = 1, 1 << 7, 1 << 10, 1 << 51


@pytest.mark.parametrize(
    ("op", "mask", "result"),
    [
        ("and", VALID | READ_ONLY, VALID),
        ("bic", VALID | ACCESSED, ENTRY._replace(valid=0, af=0)),
        ("and", (1 << 64) - 1 - VALID, ENTRY._replace(valid=0)),
        ("orr", READ_ONLY | DBM, ENTRY._replace(db=0, dbm=1)),
        ("eor", VALID | READ_ONLY, ENTRY._replace(valid=0, db=0)),
        ("add", READ_ONLY, ENTRY._replace(db=0)),
        ("sub", ACCESSED, ENTRY._replace(af=0)),
    ],
)
def test_arithmetic_on_bits_of_an_entry(op: str, mask: int, result: object) -> None:
    assert calculate(op, ENTRY, mask) == result


@pytest.mark.parametrize(("op", "mask"), [("add", VALID), ("sub", READ_ONLY), ("orr", 2), ("mul", VALID)])
def test_what_carries_or_is_in_no_field_has_no_meaning(op: str, mask: int) -> None:
    with pytest.raises(NotExpressible):
        calculate(op, ENTRY, mask)


def test_atomic_operations_are_the_same() -> None:
    assert updated("set", ENTRY, READ_ONLY) == ENTRY._replace(db=0)
    assert updated("clr", ENTRY, VALID) == ENTRY._replace(valid=0)
    assert updated("eor", ENTRY, VALID) == ENTRY._replace(valid=0)
