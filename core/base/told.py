"""Errors that a user can cause."""


class Told(Exception):
    """The message is one line that says what is wrong and what was expected: the command prints it and ends with 2."""
