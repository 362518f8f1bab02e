"""How a running 6.18 kernel flushed, against what core/mm predicts from the page tables."""
