"""The representative of the states that differ only in which of several equal members is which."""

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
    """A sort key of a member: equal for members whose own fields are equal."""
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
    """Write the image of the state at array[at] under a permutation to `image`."""
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
    """Are the words at address `one` less than those at two[at]?"""
    for k in range(len(words)):
        if get(one, k) != get(two, at + k):
            return get(one, k) < get(two, at + k)
    return False


NOT, ALSO, ALONE = range(3)


@inlined
def sorts(a: Any, permutation: int) -> int:
    """Are the members' keys in ascending order after the permutation?  NOT, ALSO after it, or after it ALONE.

    Where members have no keys, all permutations are as good.
    """
    if a.members == 0:
        return ALSO
    found = ALONE
    before = get(a.keys, get(a.order, permutation * a.members))
    for place in range(1, a.members):
        key = get(a.keys, get(a.order, permutation * a.members + place))
        if before > key:
            return NOT
        if before == key:
            found = ALSO
        before = key
    return found


@inlined
def canonical(words: Any, a: Any, array: int, at: int) -> int:
    """Replace the state at array[at] by the least of those of its images in which the members' keys are in order.

    Keys only save work: usually one permutation sorts them.  If keys are equal, all images with sorted keys are
    compared, so the result depends on the set of images alone.  For two members keys save nothing and are not used.
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
        sorted_by = sorts(a, permutation)
        if sorted_by == ALONE and permutation == 0:
            return 0
        if sorted_by != NOT:
            only_identity &= permutation == 0
            permute(words, a, permutation, array, at)
            if not have or less(words, a.image, a.least, 0):
                have = True
                copied(words, a.image, 0, a.least, 0)
            if sorted_by == ALONE:
                break
    if not only_identity:
        copied(words, a.least, 0, array, at)
    return 0
