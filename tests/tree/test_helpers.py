"""Files of which only some functions are kept: what a patch moves or renames within the file is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.tree.build import build
from core.tree.errors import TreeError
from core.tree.kernel_tree import open_tree
from core.tree.manifest import Manifest, Source
from tests.tree.conftest import PLACES, TOY, Edit

KEPT = ("ipi_flush_tlb_mm", "flush_tlb_mm", "flush_tlb_range", "flush_tlb_page")
HELPER = "static void others(struct mm_struct *mm)\n{\n\tipi_flush_tlb_mm(mm);\n}\n\n"
CALL = "\ton_each_cpu_mask(mm_cpumask(mm), ipi_flush_tlb_mm, mm, 1);"


def built(root: Path) -> bytes:
    """What a unit of the toy tree is, of which tlb.c is kept by name."""
    shim = root / "shim.h"
    shim.write_text((TOY / "shim.h").read_text() + "#include <asm/tlbflush.h>\n")
    header = Source(PLACES["tlbflush.h"], drop=("__tlb_flush_all",))
    manifest = Manifest((header, Source(PLACES["tlb.c"], keep=KEPT)), str(shim), str(TOY / "driver.c"))
    return build("kept", open_tree(root), manifest).library.read_bytes()


def test_code_in_a_function_of_its_own_is_kept_with_its_caller(toy: Path, edit: Edit) -> None:
    edit("tlb.c", "void flush_tlb_mm(", f"{HELPER}void flush_tlb_mm(")
    edit("tlb.c", CALL, f"{CALL}\n\tothers(mm);")
    assert b"others" in built(toy)


def test_what_nothing_calls_is_not_kept(toy: Path, edit: Edit) -> None:
    edit("tlb.c", "void flush_tlb_mm(", "static void unused(void)\n{\n\tunknown();\n}\n\nvoid flush_tlb_mm(")
    assert built(toy)


def test_a_function_is_found_by_its_new_name(toy: Path, edit: Edit) -> None:
    edit("tlb.c", "static void ipi_flush_tlb_mm(void", "static void ipi_flush_mm(void")
    edit("tlb.c", "ipi_flush_tlb_mm, mm", "ipi_flush_mm, mm")
    assert b"ipi_flush_mm" in built(toy)


def test_new_macros_and_structures_are_kept(toy: Path, edit: Edit) -> None:
    new = "#define LIMIT 3\n#define TWICE(x) (2 * (x))\nstruct request {\n\tlong nr;\n};\n\nvoid flush_tlb_mm("
    edit("tlb.c", "void flush_tlb_mm(", new)
    edit("tlb.c", CALL, f"\tstruct request one = {{ TWICE(LIMIT) }};\n\n\tif (one.nr)\n\t{CALL}")
    assert built(toy)


def test_helpers_may_call_helpers(toy: Path, edit: Edit) -> None:
    more = HELPER.replace("others", "inner") + HELPER.replace("ipi_flush_tlb_mm", "inner")
    edit("tlb.c", "void flush_tlb_mm(", f"{more}void flush_tlb_mm(")
    edit("tlb.c", CALL, f"{CALL}\n\tothers(mm);")
    assert b"inner" in built(toy)


def test_trace_points_and_new_options_are_nothing(toy: Path, edit: Edit) -> None:
    edit("tlb.c", CALL, f"{CALL}\n\ttrace_toy_flush(mm, 1);\n\tif (IS_ENABLED(CONFIG_NEW)) __builtin_trap();")
    assert built(toy)


def test_a_helper_in_a_header_that_the_file_includes_is_found(toy: Path, edit: Edit) -> None:
    header = toy / "include/linux/mm.h"
    header.parent.mkdir(parents=True)
    header.write_text(
        "struct unknown { unknown_t field; };\n\nstatic inline bool is_toy(int nr)\n{\n\treturn nr > 3;\n}\n"
    )
    edit("tlb.c", CALL, f"{CALL}\n\tif (is_toy(nr_cpu_ids))\n\t\tbarrier();")
    assert b"is_toy" in built(toy)


def test_if_a_helper_in_a_header_does_not_compile_the_line_that_calls_it_is_named(toy: Path, edit: Edit) -> None:
    header = toy / "include/linux/mm.h"
    header.parent.mkdir(parents=True)
    header.write_text("static inline bool is_toy(int nr)\n{\n\treturn unknown_here(nr);\n}\n")
    edit("tlb.c", CALL, f"{CALL}\n\tis_toy(3);")
    with pytest.raises(TreeError, match=r"^arch/toy/mm/tlb\.c:16: does not compile: implicit declaration.*is_toy"):
        built(toy)


def test_an_entry_point_that_was_renamed_is_named(toy: Path, edit: Edit) -> None:
    edit("tlb.c", "void flush_tlb_page(", "void flush_tlb_one(")
    with pytest.raises(TreeError, match=r"^arch/toy/mm/tlb\.c: no function flush_tlb_page\(\); was it renamed"):
        built(toy)


def test_what_no_file_defines_is_said_with_its_line(toy: Path, edit: Edit) -> None:
    edit("tlb.c", CALL, f"{CALL}\n\tothers(mm);")
    with pytest.raises(TreeError, match=r"^arch/toy/mm/tlb\.c:16: does not compile: implicit declaration"):
        built(toy)
