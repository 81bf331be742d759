"""The pages below /my/: what a person, or a key, used and has left, and what they may change.

`entry` lets visitors in; `overview` is the first page. Every query names the visitor, so there is
nothing here that belongs to others.
"""
