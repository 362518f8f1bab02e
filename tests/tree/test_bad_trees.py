"""Trees that cannot be used: one line that names the place, within seconds, and nothing else is harmed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.compare import main
from core.explore.learn import watchdog
from core.tree import automata as automata_module
from core.tree.automata import Automata, digest_of
from core.tree.build import compiler
from core.tree.errors import TreeError
from core.tree.kernel_tree import KernelTree, open_tree
from core.tree.row import built
from tests.tree.conftest import REFERENCE, Edit


def automata(root: Path) -> Automata:
    unit = built(REFERENCE, open_tree(root)).unit
    return Automata(unit, REFERENCE, digest_of(REFERENCE))


def refused(root: Path, entry: str = "enter_flush_tlb_mm") -> str:
    """What is said about the tree, which must be one line."""
    with pytest.raises(TreeError) as caught:
        automata(root).of(entry, (0, 0, 0, 0), 2)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_tree(tmp_path: Path) -> None:
    with pytest.raises(TreeError, match="no kernel tree: expected a Makefile"):
        open_tree(tmp_path)
    with pytest.raises(TreeError, match="no kernel tree: expected a directory, or an archive"):
        open_tree(tmp_path / "missing")


def test_an_archive_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "linux.tar.xz").write_bytes(b"none")
    with pytest.raises(TreeError, match=r"linux\.tar\.xz: cannot be unpacked"):
        open_tree(tmp_path / "linux.tar.xz")


def test_a_tree_that_is_too_old(toy: Path) -> None:
    (toy / "Makefile").write_text("VERSION = 4\nPATCHLEVEL = 19\n")
    assert "a tree of 4.19; expected 6.1 or later" in refused(toy)


@pytest.mark.parametrize(("version", "patchlevel"), [(6, 12), (7, 0)])
def test_a_tree_of_a_version_that_no_binding_was_made_for_says_so(
    version: int, patchlevel: int, toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (toy / "Makefile").write_text(f"VERSION = {version}\nPATCHLEVEL = {patchlevel}\n")
    main(["tree", str(toy), "--arch", REFERENCE, "--scenario", "own-tlb", "--no-costs", "--jobs", "1"])
    said = "shootdown: a tree of 7.0; what is known in detail is 6.1 and 6.12\n"
    assert (said in capsys.readouterr().err) == (version == 7)


@pytest.mark.parametrize(
    ("patchlevel", "said"),
    [
        (19, "has no HAVE_ARCH_TLB_REMOVE_TABLE, which came with 6.14, and its Makefile says 6.19"),
        (1, "has tlb_delay_rmap, which came with 6.2, and its Makefile says 6.1"),
        (12, ""),
    ],
)
def test_c_that_is_not_of_the_version_of_its_makefile_says_so(
    patchlevel: int, said: str, toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gather = toy / "include/asm-generic/tlb.h"
    gather.parent.mkdir(parents=True)
    gather.write_text("bool tlb_delay_rmap(void);\nbool __tlb_remove_folio_pages(void);\n")
    (toy / "Makefile").write_text(f"VERSION = 6\nPATCHLEVEL = {patchlevel}\n")
    assert bool(open_tree(toy).doubt) == bool(said)
    main(["tree", str(toy), "--arch", REFERENCE, "--scenario", "own-tlb", "--no-costs", "--jobs", "1"])
    assert said in capsys.readouterr().err


def test_a_missing_file(toy: Path) -> None:
    (toy / "arch/toy/mm/tlb.c").unlink()
    assert refused(toy).startswith("arch/toy/mm/tlb.c: No such file or directory in ")


def test_a_renamed_function(toy: Path, edit: Edit) -> None:
    edit("tlbflush.h", "void __tlb_flush_all(void)", "void __tlb_flush_everything(void)")
    assert refused(toy).startswith("arch/toy/include/asm/tlbflush.h: no function __tlb_flush_all(); was it renamed")


def test_c_that_does_not_compile(toy: Path, edit: Edit) -> None:
    edit("tlb.c", "\tpreempt_enable();", "\tpreempt_enable() +;")
    assert refused(toy).startswith("arch/toy/mm/tlb.c:16: does not compile: expected")


def test_a_new_field(toy: Path, edit: Edit) -> None:
    edit("tlb.c", "\tpreempt_enable();", "\tmm->context.generation++;")
    said = refused(toy)
    assert said.startswith("arch/toy/mm/tlb.c:16: does not compile: ")
    assert "has no member named" in said
    assert "generation" in said


def test_a_new_helper(toy: Path, edit: Edit) -> None:
    edit("tlb.c", "\tpreempt_enable();", "\tsome_new_helper(mm);")
    assert refused(toy).startswith("arch/toy/mm/tlb.c:16: does not compile: implicit declaration of function")


def test_new_assembly(toy: Path, edit: Edit) -> None:
    edit("tlb.c", "\tpreempt_enable();", '\tasm volatile("sync" : : : "memory");')
    assert refused(toy).startswith('arch/toy/mm/tlb.c:16: assembly without a shim: asm volatile("sync"')


@pytest.mark.parametrize(
    "written",
    [
        'asm\n volatile\n ("sync");',
        'asm volatile("" : : : "memory"); asm("sync");',
        '__asm__ __volatile__ __inline__("sync");',
        'asm volatile("" : : : "memory", "cc");',
    ],
)
def test_new_assembly_however_it_is_written(toy: Path, edit: Edit, written: str) -> None:
    edit("tlb.c", "\tpreempt_enable();", f"\t{written}")
    assert refused(toy).startswith("arch/toy/mm/tlb.c:16: assembly without a shim: ")


def test_a_compiler_barrier_is_no_assembly(toy: Path, edit: Edit) -> None:
    edit("tlb.c", "\tpreempt_enable();", '\tasm volatile(""\n:::"memory");\n\tpreempt_enable();')
    assert automata(toy).of("enter_flush_tlb_mm", (0, 0, 0, 0), 2).rows


def test_an_operation_that_the_model_does_not_know(toy: Path, edit: Edit) -> None:
    edit("tlb.c", "\tpreempt_enable();", "\tmm->context.id = 5;")
    assert refused(toy) == "arch/toy/mm/tlb.c:16: the model has no meaning for: write mm.context.id 0x5"


def test_a_crash(toy: Path, edit: Edit) -> None:
    edit("tlb.c", "\tpreempt_enable();", "\t__builtin_trap();")
    assert refused(toy) == "arch/toy/mm/tlb.c:16: enter_flush_tlb_mm() crashes with signal 4"


def test_a_wild_pointer(toy: Path, edit: Edit) -> None:
    edit("tlb.c", "\tpreempt_enable();", "\t*(int *)8 = 1;")
    assert "arch/toy/mm/tlb.c:16: " in refused(toy)


def test_a_loop_without_end(toy: Path, edit: Edit) -> None:
    edit("tlb.c", "\tpreempt_enable();", "\tfor (;;) barrier();")
    assert refused(toy) == "arch/toy/mm/tlb.c:16: enter_flush_tlb_mm() runs on without an operation"


def test_a_wait_that_nobody_ends(toy: Path, edit: Edit) -> None:
    edit("tlb.c", "\tpreempt_enable();", "\twhile (READ_ONCE(mm->context.id)) cpu_relax();")
    assert "arch/toy/mm/tlb.c:16: waits in a loop for which no answer is an end" in refused(toy)


def test_after_a_crash_the_next_one_is_learned(toy: Path, edit: Edit) -> None:
    edit("tlb.c", "\tflush_tlb_mm(vma->vm_mm);\n}\n\nvoid", "\t__builtin_trap();\n}\n\nvoid")
    known = automata(toy)
    with pytest.raises(TreeError, match="crashes"):
        known.of("enter_flush_tlb_range", (0, 4096, 0, 0), 2)
    assert known.of("enter_flush_tlb_mm", (0, 0, 0, 0), 2).rows


def test_an_answer_that_nobody_waited_for_is_no_answer_to_the_next_question(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def given_up(*wait: object) -> object:
        raise KeyboardInterrupt

    known = automata(toy)
    with monkeypatch.context() as patched:
        patched.setattr("core.tree.automata.select.select", given_up)
        with pytest.raises(KeyboardInterrupt):
            known.of("enter_flush_tlb_mm", (0, 0, 0, 0), 1)
    asked = known.of("enter_flush_tlb_mm", (0, 0, 0, 0), 3)
    assert 2 in {row.word.a for row in asked.rows if row.word and row.word.kind == "send_ipi"}  # of 3 CPUs


def test_one_process_runs_the_c_of_a_unit_however_often_it_is_set_up(toy: Path) -> None:
    before = len(automata_module._WORKERS)
    for cpus in (2, 3):
        automata(toy).of("enter_flush_tlb_mm", (0, 0, 0, 0), cpus)
    assert len(automata_module._WORKERS) == before + 1


def test_learning_is_not_the_time_of_the_program_that_asks(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Automata._answer

    def slow(self: Automata, *asked: Any) -> Any:
        time.sleep(0.3)
        return answer(self, *asked)

    monkeypatch.setattr(Automata, "_answer", slow)
    known = automata(toy)
    with watchdog("runs on", 0.2):
        rows = known.of("enter_flush_tlb_mm", (0, 0, 0, 0), 2).rows
    assert rows


def test_the_driver_must_fit_the_tree(toy: Path, edit: Edit) -> None:
    edit("tlb.c", "void flush_tlb_mm(struct mm_struct *mm)", "static void flush_mm(struct mm_struct *mm)")
    edit("tlb.c", "\tflush_tlb_mm(vma->vm_mm);", "\tflush_mm(vma->vm_mm);")
    assert refused(toy).startswith("does not link: nothing defines flush_tlb_mm()")


def test_a_tree_is_its_root(toy: Path) -> None:
    assert open_tree(toy) == KernelTree(toy.resolve())


@pytest.fixture
def other_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """A function that makes $CC a program that answers as it is told."""

    def pretend(said: str) -> None:
        program = tmp_path / "cc"
        program.write_text(f"#!/bin/sh\necho '{said}'\n")
        program.chmod(0o755)
        monkeypatch.setenv("CC", str(program))
        compiler.cache_clear()

    yield pretend
    compiler.cache_clear()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            "Debian clang version 14.0.6",
            "is clang; expected gcc 12 or later, for its --param tsan-distinguish-volatile",
        ),
        ("aarch64-linux-gnu", "compiles for aarch64-linux-gnu; the runtime under kernel C is for x86-64 only"),
    ],
)
def test_another_compiler_is_one_line(other_compiler: Callable[[str], None], said: str, expected: str) -> None:
    other_compiler(said)
    with pytest.raises(TreeError, match=rf"^\S+ {re.escape(expected)}$"):
        compiler()
