"""The multi-copy-atomic weak machine of Armv8 and RISC-V, with Armv8's translation tables.

How it works.  Instructions issue in program order.  Three things make the machine weak:

* a store waits in a buffer of its CPU, and stores to different cells leave it in any order;
* a load may take effect in the past: each cell keeps its history, and each CPU has *floors*, times below which its
  loads cannot look.  Every order that the architecture promises raises a floor, or holds back an item of the buffer;
* a translation-table walk may take effect in the past, too.  Walks are an observer of their own, with a floor of their
  own: neither program order nor DMB nor acquire raises that.  A valid old entry above the floor still serves, which is
  the TLB, without a state for it; only a TLBI takes it away.

A load whose value is only needed later may also be *delayed*: it waits in the buffer beside the stores, its register
holds a placeholder, and it takes the value that the cell has when it leaves.  A later store can so become visible
before an earlier load takes effect (load buffering).

A TLBI is not a step.  It is a time T, the earliest at which it can act, and a time D at which it is complete, which the
next full DSB of its CPU sets.  A walk that uses an entry which was overwritten by T has to take effect before D.  The
earliest T is enough: a later one forbids more.

Time counts the stores that became visible and the DSBs that completed a TLBI.  It is compared, never added.

Why that is right.  For memory it is the view machine of Pulte et al., "Promising-ARM/RISC-V" (PLDI 2019), with a buffer
in the place of promises; for the walker the rules are those of Simner et al., "Relaxed virtual memory in Armv8-A" (ESOP
2022), and of herd's aarch64.cat.  The tests hold it against published verdicts, and against enumerations of executions
by the axioms, which share no code with it (tests/memory_model/axioms.py, walk_axioms.py).

A compare-and-swap whose comparand is such a placeholder guesses whether it succeeds (compare.py).

Tables have up to three levels (paths.py).  Each entry of a walk is found by itself: one that leads to a table may be
cached without those below it, and a TLBI of the last level leaves it.  What is found below was not overwritten before
what leads to it was written.

What it lacks.  There is one stage, no ASID, no device memory, and table descriptors have no permissions.  A TLBI of one
page takes nothing away from another page under the same table.  A walk that has to be behind another CPU's TLBI, and an
ISB, do not put the next walk behind that TLBI, too.  It is multi-copy atomic: POWER is not.

What was rejected.  TLBs as state with fills as steps: a hundred times the states for the same final states.  A TLBI
that acts in its turn, behind a DMB that waits: it could not refute DMB ISHST in the place of DSB ISHST.  FIFO buffers,
loads that take only the newest value, and walks that read only now: each forbids what the architecture allows.

The files: state.py the data; machine.py the steps; loads.py, atomics.py, compare.py the accesses; buffer.py what leaves
the buffer; paths.py what a walk may find, translation.py walks and faults; barriers.py fences, DSB, ISB, TLBI; local.py
register work; grace.py grace periods; future.py what a thread may still do; guarded.py cells under a lock; commits.py
what POWER adds; break_before_make.py the rule of that name; canonical.py when two states are the same."""
