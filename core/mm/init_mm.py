"""mm/init-mm.c: the address space of the kernel, whose mappings every CPU uses, whatever it runs."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from core.mm.mm import Mm


@cache
def init_mm(mm: Mm) -> Mm:
    """init_mm, as the task of `mm` sees it.  One object, because an Mm is compared by identity.

    Its mm_cpumask has every CPU that is online where the architecture says so ('init_mm_cpumask'), and is empty
    elsewhere: on x86, say, no CPU sets its bit (switch_mm_irqs_off()).  Either way every CPU may have entries of it.
    """
    online = mm.cpu_online_mask
    mask = online if "init_mm_cpumask" in mm.facts.capabilities else frozenset()
    return replace(mm, cpus=mask, online=online, is_init_mm=True)
