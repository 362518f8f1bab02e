"""The kernel's own C as programs: cut from a tree, compiled, learned as automata, walked by the explorer."""
