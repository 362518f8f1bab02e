"""The compiled searcher: the reference's breadth-first search with its inner loops in machine code.

From the bottom up:
    layout        where each part of a global state lies in its 64-bit words
    arrays        everything the inner loops work on, by name
    words, table, steps, canonical, loops     the inner loops, which numba compiles: memory, the hash table, one step
                  of the model, exchanging equal threads, the search.  Nothing else imports these five
    machine_code  compiles them once for each number of words, keeps the machine code on disk and loads it
    packed, exchange     the tables and the permutations as flat arrays
    numbers, store       memory that grows in place, and the states in it
    search        the search as seen from Python

Loading numba takes longer than exploring a hundred thousand states.  So what is kept is plain machine code without
any tie to Python, and where it is kept already numba is not loaded.
"""
