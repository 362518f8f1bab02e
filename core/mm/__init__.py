"""The generic mm code of Linux: each function in the module named after the kernel file that has it."""
