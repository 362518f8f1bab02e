"""A trace as data, and the forms that are made of it: a sequence diagram, a picture, a log, states for other tools.

`trace_file` reads and checks the file that `explain --save` writes; every form is a function from it to a text.
"""
