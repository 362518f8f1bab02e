"""How a running 6.18 kernel flushed, compared with what core/mm predicts from the page tables."""
