"""A page pointer with flags in its low bits; include/linux/mm_types.h:encode_page(), commit 7cc8f9c7146a.

struct page is aligned to two words, so the low bits of a pointer to it can hold flags.  Nothing checks the alignment as
a pointer is encoded, in the kernel or here: the low bits of an unaligned pointer would be read back as flags, and the
pointer as one to the struct below.  `tests/mm/test_encoded_page.py` shows it.  Code that takes a pointer out of an
array must remove the flags.  page_to_pfn() here refuses a pointer that still has them; the kernel would use it.
"""

from __future__ import annotations

ENCODED_PAGE_BIT_DELAY_RMAP = 1
"""The page's rmap is removed only after the flush."""

ENCODED_PAGE_BIT_NR_PAGES_NEXT = 2
"""The next slot holds a number of pages (since v6.9)."""

ENCODED_PAGE_BITS = 3

SIZEOF_STRUCT_PAGE = 64
"""With the memcg pointer and no debugging, on 64 bit."""


def page_pointer(pfn: int) -> int:
    """&vmemmap[pfn], from a vmemmap at address 0."""
    return pfn * SIZEOF_STRUCT_PAGE


def page_to_pfn(pointer: int) -> int:
    """The number of the page whose struct is at `pointer`. ValueError if none can be there: flags were left in."""
    if pointer % SIZEOF_STRUCT_PAGE:
        raise ValueError(
            f"page_to_pfn: {pointer:#x} is no pointer to a struct page: encoded_page_ptr() takes flags out"
        )
    return pointer // SIZEOF_STRUCT_PAGE


def encode_page(pointer: int, flags: int) -> int:
    """`pointer` with `flags` in its low bits. ValueError where the kernel's BUILD_BUG_ON would stop the build."""
    if flags & ~ENCODED_PAGE_BITS:
        raise ValueError(f"encode_page: flags {flags:#x} do not fit ENCODED_PAGE_BITS {ENCODED_PAGE_BITS:#x}")
    return pointer | flags


def encoded_page_flags(encoded: int) -> int:
    """The flag bits of an encoded page."""
    return encoded & ENCODED_PAGE_BITS


def encoded_page_ptr(encoded: int) -> int:
    """The pointer of an encoded page, without its flags."""
    return encoded & ~ENCODED_PAGE_BITS
