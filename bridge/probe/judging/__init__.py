"""How well a model judges tool calls: cases with the verdicts that are right, and a trial of them.

cases   what stands in a file of cases
trial   the cases through a model, and the table of hits and misses
"""
