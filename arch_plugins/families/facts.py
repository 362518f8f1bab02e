"""A plugin whose facts are a class attribute."""

from __future__ import annotations

from core.hookspecs import Facts, hookimpl


class Stated:
    """`FACTS` is what arch_facts() returns."""

    FACTS = Facts()

    @hookimpl
    def arch_facts(self) -> Facts:
        return self.FACTS
