"""Kinfold beside what a user would otherwise pick, on the same work.

`README.md` beside this package says how to run it and what the figures are.
"""
