"""A Messages request into a chat completions request. Imports nothing of `response`."""
