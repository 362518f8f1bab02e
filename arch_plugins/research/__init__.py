"""Policies from papers; no kernel has them. Each states the conditions under which it is safe, and fails without any
one.
"""
