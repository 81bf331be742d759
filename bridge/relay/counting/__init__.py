"""Counting tokens: the endpoint's answer (`count_tokens`), exact where a tokenizer is at hand.

Imports what `relay` imports; the rest of `relay` does not need it to relay a message.
"""
