"""Litmus tests: published verdicts about Armv8 with translation tables, RISC-V, x86, POWER and the kernel's own memory
model, held against the machines of `core/memory_model`.

The file format (one JSON object per line) is described in docs/litmus.md.
"""
