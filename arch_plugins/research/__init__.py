"""Policies from papers; no kernel has them. Each says on which conditions it is safe, and fails without each."""
