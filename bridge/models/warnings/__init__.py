"""Warnings as rows: the rules of operators, what happened, and what was sent of it to whom."""
