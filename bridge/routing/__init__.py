"""From a model name to ordered targets: aliases, globs, case repair, weights. Pure.

Imports `translation`.
"""
