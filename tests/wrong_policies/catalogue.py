"""Which check catches each wrong policy: a scenario that it fails, and its right twin passes."""

from __future__ import annotations

from typing import NamedTuple

from arch_plugins.arm64 import Arm64, Arm64Range
from arch_plugins.generic import Smp
from arch_plugins.powerpc_hash import PowerpcHash
from arch_plugins.research.luf import Luf
from arch_plugins.riscv import RiscvIpi
from arch_plugins.s390 import S390
from arch_plugins.x86 import X86
from tests.wrong_policies import (
    clears,
    contexts,
    counts,
    cpus,
    elsewhere,
    entries,
    flushes,
    gathers,
    instructions,
    partly,
    states,
)

MODULES = (clears, contexts, counts, cpus, elsewhere, entries, flushes, gathers, instructions, partly, states)
"""Where the wrong policies are."""


class Wrong(NamedTuple):
    """`policy` fails each of `scenarios`, and `twin` passes it."""

    policy: type
    twin: type
    scenarios: tuple[str, ...]


SIZED = ("large-munmap", "large-range")

FLUSHES = [
    Wrong(flushes.NothingAboveCeiling, flushes.Ceiling, SIZED),
    Wrong(flushes.NothingAtCeiling, flushes.Ceiling, SIZED),
    Wrong(flushes.OneShortAtCeiling, flushes.Ceiling, SIZED),
    Wrong(flushes.CutAtCeiling, flushes.Ceiling, SIZED),
    Wrong(flushes.CeilingOf64, flushes.Ceiling, SIZED),
    Wrong(flushes.NothingFrom512, flushes.Ceiling, ("large-dontneed",)),
    Wrong(flushes.Counts8Bits, flushes.Ceiling, ("large-dontneed",)),
    Wrong(flushes.Counts16Bits, flushes.Ceiling, ("large-munmap",)),
    Wrong(flushes.StartRoundedUp, flushes.Ceiling, SIZED),
    Wrong(flushes.EndRoundedDown, flushes.Ceiling, SIZED),
    Wrong(flushes.OneTableOnly, flushes.Ceiling, ("large-dontneed",)),
    Wrong(flushes.EndInclusive, flushes.Ceiling, SIZED),
    Wrong(flushes.SkipsFirstOfMany, flushes.Ceiling, SIZED),
    Wrong(flushes.SmallRangeDropped, flushes.Ceiling, ("use-after-free", "own-tlb")),
    Wrong(flushes.HighestStride, flushes.LowestStride, ("large-munmap",)),
    Wrong(flushes.NothingForTables, flushes.MmForTables, ("table-upwards",)),
    Wrong(flushes.LastLevelOfTables, flushes.MmForTables, ("table-upwards",)),
    Wrong(flushes.NoFlush, flushes.MmForTables, ("use-after-free",)),
    Wrong(flushes.OnlyUnderLock, flushes.MmForTables, ("use-after-free",)),
    Wrong(flushes.MmFlushesAPage, Smp, ("large-exit",)),
    Wrong(flushes.MmLastLevel, Smp, ("table-nested",)),
    Wrong(flushes.NoMmFlush, Smp, ("fork-protects",)),
    Wrong(flushes.PageBesides, Smp, ("lost-dirty-dontneed",)),
    Wrong(flushes.NoPageFlush, Smp, ("lost-dirty-dontneed",)),
    Wrong(flushes.PageFlushOfTheGather, Smp, ("lost-dirty-munmap",)),
    Wrong(flushes.TablesSparedByRange, Smp, ("mremap-walk",)),
    Wrong(flushes.RangeOfOne, Smp, ("large-munmap",)),
    Wrong(flushes.NothingForHuge, Smp, ("huge-freed",)),
]

CPUS = [
    Wrong(cpus.ThreeCpus, cpus.Asking, ("large-munmap",)),
    Wrong(cpus.EightCpus, cpus.Asking, ("large-munmap",)),
    Wrong(cpus.FirstWord, cpus.Asking, ("large-munmap",)),
    Wrong(cpus.OthersOnly, cpus.Asking, ("own-tlb",)),
    Wrong(cpus.HereOnly, cpus.Asking, ("use-after-free",)),
    Wrong(cpus.HigherOnly, cpus.Asking, ("use-after-free",)),
    Wrong(cpus.NeighbourOnly, cpus.Asking, ("large-munmap",)),
    Wrong(cpus.DoesNotWait, cpus.Asking, ("use-after-free", "large-munmap")),
    Wrong(cpus.WaitsForTheFirst, cpus.Asking, ("large-munmap",)),
    Wrong(cpus.AnswersOnly, Smp, ("use-after-free",)),
    Wrong(cpus.MaskFirst, cpus.MaskBehind, ("switch-reclaim",)),
    Wrong(cpus.MaskOfTheVma, cpus.MaskOfTheFlush, ("switch-back",)),
    Wrong(cpus.FlushesFirst, cpus.MaskBehind, ("lost-dirty-dontneed", "switch-reclaim")),
    Wrong(cpus.LeavesAndKeeps, cpus.LeavesAndFlushes, ("switch-back", "task-moves")),
    Wrong(cpus.NeverJoins, cpus.LeavesAndFlushes, ("switch-back",)),
    Wrong(cpus.JoinsLate, cpus.JoinsFirst, ("switch-back",)),
    Wrong(cpus.PutsOff, Smp, ("use-after-free",)),
    Wrong(cpus.PutsOffToReallocation, Smp, ("use-after-free",)),
    Wrong(cpus.BatchWithoutHere, Smp, ("large-reclaim",)),
    Wrong(cpus.BatchOfTheLast, Smp, ("reclaim-two-mms",)),
    Wrong(cpus.BatchNeverFlushed, Smp, ("reclaim-mprotect",)),
    Wrong(cpus.BatchOfOnePage, Smp, ("large-reclaim",)),
    Wrong(cpus.BatchesNothing, Smp, ("reclaim-mprotect",)),
    Wrong(cpus.PendingIgnored, Smp, ("reclaim-mprotect",)),
    Wrong(cpus.RangeWithoutGen, X86, ("switch-range",)),
    Wrong(cpus.PageWithoutGen, X86, ("switch-reclaim",)),
    Wrong(cpus.GenBehind, X86, ("switch-back",)),
    Wrong(cpus.KernelRangeByMask, Smp, ("kernel-range",)),
    Wrong(cpus.KernelRangeOfInitMm, Smp, ("kernel-range",)),
    Wrong(cpus.KernelTableByMask, X86, ("kernel-table",)),
]

CLEARS = [
    Wrong(clears.ClearsOne, clears.ClearsEach, ("large-munmap",)),
    Wrong(clears.ClearsUpTo16, clears.ClearsEach, ("large-munmap",)),
    Wrong(clears.TornClear, Smp, ("dirty-bit-in-time",)),
    Wrong(clears.CleanClear, Smp, ("dirty-bit-in-time", "large-munmap")),
    Wrong(clears.CleanFullClear, clears.PlainFullClear, ("large-exit",)),
    Wrong(clears.NoFullClear, clears.PlainFullClear, ("large-exit",)),
    Wrong(clears.CleanHuge, clears.TornFullHuge, ("huge-split", "large-munmap")),
    Wrong(clears.CleanFullHuge, clears.TornFullHuge, ("large-exit",)),
    Wrong(clears.TornHuge, clears.TornFullHuge, ("huge-split",)),
    Wrong(clears.EmptyInvalidate, Smp, ("huge-emptied",)),
    Wrong(clears.LooksOnly, Smp, ("huge-dirty",)),
    Wrong(clears.WritesItBack, Smp, ("huge-dirty",)),
    Wrong(clears.InvalidatesUnflushed, Smp, ("huge-cleaned",)),
    Wrong(clears.LooksOnlyAd, clears.InvalidatesAd, ("huge-dirty",)),
    Wrong(clears.NeitherFlushes, clears.InvalidatesAd, ("huge-protect",)),
    Wrong(clears.TornWrprotect, Smp, ("fork-parent-dirty",)),
    Wrong(clears.CleanWrprotect, Smp, ("fork-parent-dirty",)),
    Wrong(clears.NoWrprotect, Smp, ("fork-protects",)),
    Wrong(clears.CleanCopy, Smp, ("fork-dirty",)),
    Wrong(clears.WritableCopy, Smp, ("fork-protects",)),
    Wrong(clears.TornYoung, clears.UnflushedYoung, ("young-dirty",)),
    Wrong(clears.CleanYoung, clears.UnflushedYoung, ("young-dirty",)),
    Wrong(clears.OldIsUncached, clears.UnflushedYoung, ("reclaim-old",)),
    Wrong(clears.CleanIsUncached, Smp, ("any-order",)),
    Wrong(clears.NoClearFlush, Smp, ("lost-dirty-dontneed",)),
]

GATHERS = [
    Wrong(gathers.FreesAtOnce, gathers.QueuesEach, ("use-after-free", "large-munmap")),
    Wrong(gathers.FreesTwice, gathers.QueuesEach, ("freed-once",)),
    Wrong(gathers.LosesPages, gathers.QueuesEach, ("own-tlb",)),
    Wrong(gathers.QueuesOne, gathers.QueuesEach, ("large-munmap",)),
    Wrong(gathers.FreesWithoutBatch, gathers.QueuesEach, ("large-munmap", "freed-once")),
    Wrong(gathers.SaysFullLate, gathers.QueuesEach, ("batch-limit",)),
    Wrong(gathers.ForgetsDelay, gathers.QueuesEach, ("lost-dirty-dontneed",)),
    Wrong(gathers.NeverDelays, Smp, ("lost-dirty-munmap",)),
    Wrong(gathers.DelaysUnmarked, Smp, ("delayed-in-last-batch",)),
    Wrong(gathers.NoEndOfVma, gathers.MergesVmas, ("pfnmap",)),
    Wrong(gathers.ForgetsPfn, gathers.MergesVmas, ("pfnmap",)),
    Wrong(gathers.FreesTableAtOnce, Smp, ("table-free", "large-munmap")),
    Wrong(gathers.TableBesides, Smp, ("table-free",)),
    Wrong(gathers.LosesTable, Smp, ("tables-freed",)),
    Wrong(gathers.TableUnsaid, Smp, ("table-pmd",)),
    Wrong(gathers.PudTableUnsaid, Smp, ("table-pud",)),
    Wrong(gathers.SoftwareWalk, gathers.RcuTables, ("table-free",)),
    Wrong(gathers.ExitUnflushed, gathers.ExitFlushesTables, ("large-exit",)),
    Wrong(gathers.LosesOverflow, gathers.Deferred, ("large-munmap",)),
    Wrong(gathers.StartsAnew, gathers.Deferred, ("large-munmap",)),
    Wrong(gathers.NotOutside, gathers.Deferred, ("lost-dirty-dontneed",)),
    Wrong(gathers.StaysQueued, gathers.Deferred, ("own-tlb",)),
    Wrong(gathers.QueuesFirst, gathers.Deferred, ("large-munmap",)),
]

INSTRUCTIONS = [
    Wrong(instructions.HalfInvlpg, instructions.Invlpg, SIZED),
    Wrong(instructions.OneInvlpg, instructions.Invlpg, SIZED),
    Wrong(instructions.InvlpgHere, instructions.Invlpg, SIZED),
    Wrong(instructions.HalfTlbi, Arm64, SIZED),
    Wrong(instructions.StrideTlbi, Arm64, SIZED),
    Wrong(instructions.LocalTlbi, Arm64, SIZED),
    Wrong(instructions.LeafTlbi, Arm64, ("large-munmap",)),
    Wrong(instructions.RangeScale, Arm64Range, ("large-munmap",)),
    Wrong(instructions.RangeUnaligned, Arm64Range, SIZED),
    Wrong(instructions.StrideInvlpgb, instructions.CountsInvlpgb, SIZED),
    Wrong(instructions.CountFromOne, instructions.CountsInvlpgb, SIZED),
    Wrong(instructions.ShortSfence, RiscvIpi, SIZED),
    Wrong(instructions.StrideInvlpg, X86, ("large-munmap",)),
]

PARTLY = [
    Wrong(partly.TornRun, clears.ClearsEach, ("large-munmap", "large-dontneed")),
    Wrong(partly.CleanRun, clears.ClearsEach, ("large-munmap",)),
    Wrong(partly.LastOfRun, clears.ClearsEach, ("large-munmap",)),
    Wrong(partly.UndelayedRun, partly.TwoHalves, ("large-munmap",)),
    Wrong(partly.HalfRun, partly.TwoHalves, ("large-munmap",)),
    Wrong(partly.FolioOfOne, partly.TwoHalves, ("large-munmap",)),
    Wrong(partly.LastChunkDropped, flushes.Ceiling, ("large-dontneed",)),
    Wrong(partly.FirstFlushOnly, cpus.MaskOfTheFlush, ("large-munmap",)),
    Wrong(partly.MaskOfFirstFlush, cpus.MaskOfTheFlush, ("switch-full",)),
    Wrong(partly.RangeOfFirstFlush, cpus.MaskOfTheFlush, ("large-munmap",)),
    Wrong(partly.FirstDelayOnly, Smp, ("large-munmap",)),
    Wrong(partly.DelaysInTheLocalBatch, Smp, ("large-munmap",)),
    Wrong(partly.SecondTableAtOnce, Smp, ("large-munmap",)),
    Wrong(partly.FirstBatchOnly, Smp, ("large-reclaim",)),
    Wrong(partly.BatchOfTheFirst, Smp, ("reclaim-two-mms",)),
    Wrong(partly.FirstVmaOnly, gathers.MergesVmas, ("pfnmap-second",)),
    Wrong(partly.StartsAnewPerVma, gathers.MergesVmas, ("large-munmap",)),
    Wrong(partly.ProtectsDirtyOnly, Smp, ("entry-values",)),
    Wrong(partly.ForgetsUffd, Smp, ("entry-values",)),
    Wrong(partly.FlushesDirtyChanges, Smp, ("needs-flush",)),
    Wrong(partly.FlushesDirtyHugeChanges, Smp, ("needs-flush",)),
    Wrong(partly.NoFlushForHints, Smp, ("needs-flush", "numa-hint")),
    Wrong(partly.ReadOnlyInvalidate, Smp, ("huge-values",)),
    Wrong(partly.ClearFlushOfWritable, Smp, ("flush-elsewhere",)),
    Wrong(partly.BatchOfWritable, Smp, ("flush-elsewhere", "large-reclaim")),
    Wrong(partly.FlushesForPages, gathers.ExitFlushesTables, ("large-protect",)),
    Wrong(partly.LeavesItToTheOther, gathers.ExitFlushesTables, ("nested-gathers", "dontneed-remap")),
    Wrong(partly.PendingHere, Smp, ("reclaim-mprotect",)),
    Wrong(partly.TableWithoutMemory, Smp, ("large-munmap",)),
    Wrong(partly.TablesAtExit, Smp, ("large-exit",)),
    Wrong(partly.QueuedBeforeSaid, Smp, ("table-full",)),
    Wrong(partly.CollapseOfOnePage, Smp, ("collapse-copies",)),
    Wrong(partly.CollapseFlushesFirst, Smp, ("table-collapse", "collapse-copies")),
]

ELSEWHERE = [
    Wrong(elsewhere.OneCpuIsHere, Smp, ("flush-elsewhere",)),
    Wrong(elsewhere.OnlyForOwnMm, Smp, ("flush-elsewhere",)),
    Wrong(elsewhere.CountsTheMask, Smp, ("flush-elsewhere",)),
    Wrong(elsewhere.Pages32Bits, Smp, ("flush-elsewhere",)),
    Wrong(elsewhere.OnePageAtATime, Smp, ("flush-at-once",)),
    Wrong(elsewhere.OneRangeAtATime, Smp, ("flush-at-once",)),
    Wrong(elsewhere.OneBatchAtATime, Smp, ("flush-at-once",)),
    Wrong(elsewhere.SecondHalfUnwaited, Smp, ("large-munmap",)),
    Wrong(elsewhere.LocalForLong, Smp, ("large-munmap",)),
    Wrong(elsewhere.ServesWithIrqsOff, Smp, ("gup-fast",)),
    Wrong(elsewhere.NotByExec, Smp, ("exec-then-flush",)),
    Wrong(elsewhere.LeavesToBeLazy, cpus.LeavesAndFlushes, ("lazy-back",)),
    Wrong(elsewhere.LeavesBehind, cpus.LeavesAndFlushes, ("switch-reclaim",)),
    Wrong(elsewhere.FlushesBeforeLeaving, cpus.JoinsFirst, ("switch-back",)),
    Wrong(elsewhere.UnlocksBeforeZap, gathers.MergesVmas, ("dontneed-remap",)),
    Wrong(elsewhere.UnlocksBeforeFlush, gathers.MergesVmas, ("dontneed-remap",)),
    Wrong(elsewhere.UnlocksForFlush, cpus.MaskOfTheFlush, ("dontneed-remap",)),
]

COUNTS = [
    Wrong(counts.ManyBatches, counts.SmallBatches, ("batch-limit",)),
    Wrong(counts.WholePages, counts.SmallBatches, ("batch-limit",)),
    Wrong(counts.WholePagesOfTables, counts.SmallBatches, ("batch-limit",)),
    Wrong(counts.GrowsBatches, gathers.QueuesEach, ("batch-limit",)),
    Wrong(counts.OneMoreBatch, gathers.QueuesEach, ("batch-limit",)),
    Wrong(counts.DelaysFromTheStart, Smp, ("delay-ends",)),
    Wrong(counts.DelaysOnAndOn, gathers.QueuesEach, ("delay-ends",)),
    Wrong(counts.DelayForgotten, Smp, ("delay-ends", "large-munmap")),
    Wrong(counts.LocalBatchSkipped, Smp, ("freed-once", "large-munmap")),
]

ENTRIES = [
    Wrong(entries.SetsOne, entries.Backwards, ("run-values",)),
    Wrong(entries.SetsTheSame, entries.Backwards, ("run-values",)),
    Wrong(entries.SetsClean, entries.Backwards, ("entry-values",)),
    Wrong(entries.FullClearsOne, entries.Backwards, ("run-values",)),
    Wrong(entries.FullClearsAllButOne, entries.Backwards, ("run-values",)),
    Wrong(entries.FullClearsOneMore, entries.Backwards, ("run-values",)),
    Wrong(entries.DirtyIfTheFirstIs, entries.Backwards, ("run-values",)),
    Wrong(entries.WrprotectsOne, entries.Backwards, ("run-values",)),
    Wrong(entries.WrprotectsAndCleans, entries.Backwards, ("run-values",)),
    Wrong(entries.WrprotectsTorn, entries.Backwards, ("fork-parent-dirty",)),
    Wrong(entries.YoungDirtyOne, entries.Backwards, ("run-values",)),
    Wrong(entries.YoungDirtyEmpties, entries.Backwards, ("run-values",)),
    Wrong(entries.YoungOne, entries.Backwards, ("run-values",)),
    Wrong(entries.YoungUntilOneIs, entries.Backwards, ("run-values",)),
    Wrong(entries.GetsClean, Smp, ("entry-values",)),
    Wrong(entries.GetsHalves, entries.GetsHalvesAgain, ("lockless-value",)),
    Wrong(entries.AccessFlagsIgnored, Smp, ("entry-values",)),
    Wrong(entries.AccessFlagsClean, Smp, ("entry-values",)),
    Wrong(entries.ProtStartReads, entries.ProtStartTakes, ("mprotect-dirty",)),
    Wrong(entries.ProtStartClean, entries.ProtStartTakes, ("entry-values",)),
    Wrong(entries.ProtCommitOld, entries.ProtStartTakes, ("entry-values",)),
    Wrong(entries.ProtCommitClean, entries.ProtStartTakes, ("entry-values",)),
    Wrong(entries.TestYoungEmpties, Smp, ("entry-values",)),
    Wrong(entries.TestYoungTorn, Smp, ("madvise-cold",)),
    Wrong(entries.HugetlbClean, Smp, ("entry-values",)),
    Wrong(entries.HugetlbStays, Smp, ("entry-values",)),
    Wrong(entries.NoPmdFlush, Smp, ("huge-split",)),
    Wrong(entries.PmdFlushHere, Smp, ("huge-split",)),
    Wrong(entries.CollapseHere, Smp, ("collapse-copies",)),
    Wrong(entries.CollapseLeaf, Smp, ("table-collapse",)),
    Wrong(entries.BatchOfTheReclaimer, entries.RangedBatch, ("reclaim-two-mms",)),
    Wrong(entries.RangeOfTheLast, entries.RangedBatch, ("reclaim-two-mms",)),
    Wrong(entries.RangeOfTheFirst, entries.RangedBatch, ("reclaim-two-mms",)),
    Wrong(entries.PendingPage, Smp, ("reclaim-pending",)),
    Wrong(entries.SpinsWithIrqsOff, entries.SpinsWithIrqsOn, ("flush-crosswise",)),
    Wrong(entries.WaitsWithIrqsOff, entries.SpinsWithIrqsOn, ("flush-crosswise",)),
]

CONTEXTS = [
    Wrong(contexts.SaysNothing, X86, ("kthread-use-mm", "lazy-walk")),
    Wrong(contexts.SaysLazy, X86, ("kthread-use-mm",)),
    Wrong(contexts.LastAttached, S390, ("use-after-free",)),
    Wrong(contexts.ExitLeavesAll, contexts.ExitFlushesTwice, ("lazy-exit",)),
    Wrong(contexts.ExitFlushesFirst, contexts.ExitFlushesTwice, ("lazy-exit", "large-exit")),
    Wrong(contexts.DestroysFlushed, contexts.ExitFlushesTwice, ("lazy-exit", "large-exit")),
    Wrong(contexts.ReusesHere, Luf, ("flush-on-reuse",)),
    Wrong(contexts.ReusesPaid, Luf, ("flush-on-reuse-twice",)),
    Wrong(contexts.ReusesOnePage, Luf, ("flush-on-reuse-twice",)),
    Wrong(contexts.SwitchesUnfinished, Arm64, ("batch-moves",)),
    Wrong(contexts.FinishesThere, Arm64, ("batch-moves",)),
    Wrong(contexts.LeavesQueueOpen, PowerpcHash, ("lazy-mmu-moved",)),
    Wrong(contexts.OpensAnyQueue, PowerpcHash, ("lazy-mmu-moved",)),
    Wrong(contexts.InnerUnflushed, PowerpcHash, ("lazy-mmu-nested",)),
    Wrong(contexts.InnerDropped, PowerpcHash, ("lazy-mmu-nested",)),
    Wrong(contexts.NotesBeforeClear, Smp, ("batch-join",)),
    Wrong(contexts.FlushesAndDefers, Smp, ("reclaim-two-mms", "large-reclaim")),
    Wrong(contexts.AloneNeedsNothing, contexts.DefersIfAlone, ("own-pageout",)),
    Wrong(contexts.ForksAlone, Smp, ("own-fork",)),
    Wrong(contexts.FlushesAnywhere, contexts.FlushesHere, ("this-cpu",)),
    Wrong(contexts.SyncsNobody, Arm64, ("gup-fast", "gup-fast-unshare")),
    Wrong(contexts.SyncsUnwaited, Arm64, ("gup-fast", "gup-fast-unshare")),
    Wrong(contexts.SyncsOne, Arm64, ("gup-fast-two",)),
    Wrong(contexts.SyncsByFlush, Arm64, ("gup-fast", "gup-fast-collapse")),
    Wrong(contexts.GenerationOfBit, X86, ("switch-twice", "switch-round")),
    Wrong(contexts.GenerationOf6Bits, X86, ("switch-round",)),
]

CATALOGUE = [*FLUSHES, *CPUS, *CLEARS, *GATHERS, *INSTRUCTIONS, *PARTLY, *ELSEWHERE, *COUNTS, *ENTRIES, *CONTEXTS]

HIDDEN = {
    states.CountsInAModule: "tests.wrong_policies.states.CALLS is a itertools.count",
    states.CountsOnTheClass: "CountsOnTheClass.calls is a itertools.count",
    states.CountsOnItself: "self.calls is a itertools.count",
    states.CountsInAClosure: "counter of flush_tlb_range() is a itertools.count",
    states.Chains: "Chains.turns is a itertools.chain",
    states.Generates: "Generates.turns is a builtins.generator",
    states.Dices: "Dices.dice is a random.Random",
    states.CountsInAnObject: "CountsInAnObject.memory changed",
    states.CountsOnAFunction: "tests.wrong_policies.states._counter changed",
    states.CountsInADefault: "CountsInADefault.count changed",
}
"""What the error says of policies that keep state; their twin is `states.CountsInLocals`."""
