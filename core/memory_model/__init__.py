"""The machines that run litmus tests: sequential consistency, TSO, and a multi-copy-atomic weak machine.

A machine is what `core.memory_model.machine.LitmusMachine` says: it has an initial state, steps, and a key that tells
states apart.  `search.py` walks through all of its states.  The machines know instructions (`program.py`) and values
(`values.py`); the formats of litmus tests and their verdicts are in `core/truth/litmus`.
"""
