"""Wrong policies, each with a right twin that differs in the mistake alone."""
