"""riscv in a guest of KVM, which serves the remote fences of the guest's kernel.

arch/riscv/kvm/vcpu_sbi_replace.c, arch/riscv/kvm/tlb.c:kvm_riscv_local_hfence_vvma_asid_gva(): page by page up to
PTRS_PER_PTE pages, so also where the range is all that a page table maps; the whole ASID above.
"""

from __future__ import annotations

from arch_plugins.riscv import Riscv, RiscvV61

PTRS_PER_PTE = 512
"""The host's."""


class RiscvKvm(Riscv):
    """6.12."""

    firmware_pages = PTRS_PER_PTE


class RiscvKvmV61(RiscvV61):
    """6.1."""

    firmware_pages = PTRS_PER_PTE
