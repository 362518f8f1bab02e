"""Published effects of flushing policies, each beside what the counts and somebody else's coefficients say of it."""
