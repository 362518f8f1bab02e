"""Of the states that differ only in which of some equal members is which, the one that is explored."""

from __future__ import annotations

from typing import Any

from core.explore.compiled.state_table import copied
from core.explore.compiled.words import get, inlined, put


@inlined
def moved_bits(word: int, mask: int, left: int) -> Any:
    """The bits of `word` in `mask`, shifted to the left (or, if negative, to the right)."""
    return (word & mask) << left if left >= 0 else (word & mask) >> -left


@inlined
def key_of(a: Any, member: int, array: int, at: int) -> Any:
    """A number that is the same for members in the same state, wherever they stand."""
    key = 0
    for number in range(get(a.first_key_shift, member), get(a.first_key_shift, member + 1)):
        s = a.key_shifts + 32 * number
        key += moved_bits(get(array, at + get(s, 0)), get(s, 2), get(s, 3)) * (2 * get(s, 1) + 1)
    for number in range(get(a.first_key_map, member), get(a.first_key_map, member + 1)):
        m = a.key_maps + 64 * number
        value = (get(array, at + get(m, 0)) >> get(m, 1)) & get(m, 2)
        key += (get(a.images, get(m, 5) + value) << get(m, 4)) * (2 * get(m, 3) + 1)
    return key


@inlined
def permute(words: Any, a: Any, permutation: int, array: int, at: int) -> None:
    """The image of the state at array[at] under a permutation, to `image`."""
    count = len(words)
    for k in range(count):
        put(a.image, k, get(array, at + k) & get(a.stays, permutation * count + k))
    for number in range(get(a.first_shift, permutation), get(a.first_shift, permutation + 1)):
        s = a.shifts + 32 * number
        to = get(s, 1)
        put(a.image, to, get(a.image, to) | moved_bits(get(array, at + get(s, 0)), get(s, 2), get(s, 3)))
    for number in range(get(a.first_map, permutation), get(a.first_map, permutation + 1)):
        m = a.maps + 64 * number
        value = (get(array, at + get(m, 0)) >> get(m, 1)) & get(m, 2)
        to = get(m, 3)
        put(a.image, to, get(a.image, to) | get(a.images, get(m, 5) + value) << get(m, 4))


@inlined
def less(words: Any, one: int, two: int, at: int) -> Any:
    """Are the words behind `one` less than those at two[at]?"""
    for k in range(len(words)):
        if get(one, k) != get(two, at + k):
            return get(one, k) < get(two, at + k)
    return False


@inlined
def sorts(a: Any, permutation: int) -> bool:
    """Are the members' keys in order behind a permutation?"""
    for place in range(a.members - 1):
        at = permutation * a.members + place
        if get(a.keys, get(a.order, at)) > get(a.keys, get(a.order, at + 1)):
            return False
    return True


@inlined
def canonical(words: Any, a: Any, array: int, at: int) -> int:
    """Replace the state at array[at] by the least of its images with the members' keys in order.

    The keys only save work: mostly one permutation puts them in order.  Where keys are equal all images with the keys
    in order are compared, so what is chosen depends on the set of images alone.  For two members they save nothing.
    """
    if a.permutations == 2:
        permute(words, a, 1, array, at)
        if less(words, a.image, array, at):
            copied(words, a.image, 0, array, at)
        return 0
    for member in range(a.members):
        put(a.keys, member, key_of(a, member, array, at))
    have = False
    only_identity = True
    for permutation in range(a.permutations):
        if sorts(a, permutation):
            only_identity &= permutation == 0
            permute(words, a, permutation, array, at)
            if not have or less(words, a.image, a.least, 0):
                have = True
                copied(words, a.image, 0, a.least, 0)
    if not only_identity:
        copied(words, a.least, 0, array, at)
    return 0
