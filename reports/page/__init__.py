"""The report as one HTML file that needs no network: what fails and why, every verdict, prices, the museum, the
findings, and a page to step through every cell.

The text is rendered by Jinja2 with autoescape, and reads without a script: names come from third parties.  The stepper
(`engine.js`, `stepper.js`) computes every state of a cell from the tables that the explorer has learned, and only ever
sets text.  `page.py` puts all of it together, with a Content-Security-Policy that allows nothing but this one style and
this one script, by their digests.
"""
