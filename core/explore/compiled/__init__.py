"""The compiled searcher: the reference's breadth-first search with its inner loops in machine code.

From the bottom up:

    word_layout       where each part of a global state lies in its 64-bit words
    arrays, shared    everything the inner loops work on, by name; what several workers share
    words, state_table, steps, canonical, successors, parallel, loops
                      the inner loops, compiled by numba: memory access, the hash table, one step of the model,
                      exchanging equal threads, all steps from a state, several workers, the search.  No other module
                      imports these
    machine_code      compiles them once for each number of words, keeps the machine code on disk and loads it
    packed, exchange  the transition tables and the permutations as flat arrays
    numbers, store    arrays that grow in place, and the states in them
    loaded_model      the model as arrays, kept in step with the tables
    team              the threads of several workers
    search            the search as seen from Python

Loading numba takes longer than exploring a hundred thousand states.  So the machine code is kept as plain object files
that do not depend on Python, and numba is loaded only to make them.
"""
