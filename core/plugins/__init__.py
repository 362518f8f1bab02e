"""A plugin set up as an architecture, and the check that it keeps no state between jobs."""
