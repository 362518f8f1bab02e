"""The machine: atomic operations, page-table entries, TLBs, IPIs, locks, and the scheduler of a shared CPU."""
