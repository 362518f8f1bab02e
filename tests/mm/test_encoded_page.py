"""Encoded page pointers: what fits, and what an unaligned pointer does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.mm.encoded_page import (
    ENCODED_PAGE_BIT_DELAY_RMAP,
    ENCODED_PAGE_BITS,
    SIZEOF_STRUCT_PAGE,
    encode_page,
    encoded_page_flags,
    encoded_page_ptr,
    page_pointer,
    page_to_pfn,
)


@given(st.integers(0, 2**40), st.integers(0, ENCODED_PAGE_BITS))
def test_page_and_flags_come_back(pfn: int, flags: int) -> None:
    encoded = encode_page(page_pointer(pfn), flags)
    assert page_to_pfn(encoded_page_ptr(encoded)) == pfn
    assert encoded_page_flags(encoded) == flags


def test_flags_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="ENCODED_PAGE_BITS"):
        encode_page(page_pointer(1), ENCODED_PAGE_BITS + 1)


def test_an_unaligned_pointer_comes_back_as_another_page_with_a_flag_nobody_set() -> None:
    unaligned = page_pointer(7) + 1
    encoded = encode_page(unaligned, 0)
    assert encoded_page_flags(encoded) == ENCODED_PAGE_BIT_DELAY_RMAP
    assert encoded_page_ptr(encoded) == page_pointer(7) != unaligned


@given(st.integers(0, 2**40), st.integers(1, ENCODED_PAGE_BITS))
def test_a_pointer_with_its_flags_is_the_pointer_to_no_page(pfn: int, flags: int) -> None:
    with pytest.raises(ValueError, match=r"encoded_page_ptr\(\)"):
        page_to_pfn(encode_page(page_pointer(pfn), flags))


def test_struct_page_leaves_the_flag_bits_free() -> None:
    assert SIZEOF_STRUCT_PAGE & ENCODED_PAGE_BITS == 0
