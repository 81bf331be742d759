"""HTTP below requests: connections and their limits under each server, heads, bodies on their way.

Imports the translation's errors, ids and the settings of a process; knows no request's meaning.
"""
