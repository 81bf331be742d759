"""GET /v1/usage: what a key, or its person, used and has left, for scripts with the key.

`question` reads what is asked; `answer` sums it up, in a thread, and writes the document.
"""
