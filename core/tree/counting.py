"""The words of a binding for counting: barriers and such instructions are operations, though no model needs them.

A search leaves them out, and is smaller for it.  A count of what a patch adds must have them.  So workloads are counted
with automata of their own, which are learned with these words and kept apart.
"""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from core.machine.insn import insn
from core.tree.vocabulary import Rule, Vocabulary, Word

BARRIER = "barrier "
"""Begins the kind of a barrier in shim/operations.h: smp_mb() is 'barrier smp_mb'."""

UNKNOWN = ("dsb *", "isb", "lctlg", "PPC_*")
"""Kinds of further instructions, which are counted by their own rule where the model knows them."""


@cache
def counting(vocabulary: Vocabulary) -> Vocabulary:
    """The rules of `vocabulary`, before each of which is one that counts the instructions that it has."""
    return Vocabulary(tuple(one for rule in vocabulary.rules for one in (_counted(rule), rule)))


def _counted(rule: Rule) -> Rule:
    """`rule` for the instructions that are to be counted: each is reported, and then does what it did."""

    async def do(of: Any, word: Word) -> int:
        await insn(of.mm.task.cpu, name_of(word))
        return 0 if rule.do is None else await rule.do(of, word)

    return replace(rule, do=do, when=lambda word: rule.when(word) and _is_counted(word, rule))


def _is_counted(word: Word, rule: Rule) -> bool:
    if word.kind.startswith(BARRIER):
        return True
    return rule.do is None and any(fnmatchcase(word.kind, kind) for kind in UNKNOWN)


def name_of(word: Word) -> str:
    """The name of the count: smp_mb, ISB, DSB_NSH."""
    if word.kind.startswith(BARRIER):
        return word.kind.removeprefix(BARRIER)
    return word.kind.upper().replace(" ", "_")
