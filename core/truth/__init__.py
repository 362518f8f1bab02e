"""Ground truth: what kernels and published measurements say, each kind in a folder, beside what core/mm predicts."""
