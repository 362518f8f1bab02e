"""The explorer: every interleaving of some programs and of what the hardware does by itself.

It knows operations, cells and threads (`core.machine.op`), and nothing about memory management.
"""

from core.explore.check import check
from core.explore.errors import ExploreError, Hung, NotAnOperation, NotDeterministic, ProgramError, TooLarge
from core.explore.model import Daemon, Limits, Model, Property, Step, Thread, Verdict
from core.explore.walk import walk

__all__ = [
    "Daemon",
    "ExploreError",
    "Hung",
    "Limits",
    "Model",
    "NotAnOperation",
    "NotDeterministic",
    "ProgramError",
    "Property",
    "Step",
    "Thread",
    "TooLarge",
    "Verdict",
    "check",
    "walk",
]
