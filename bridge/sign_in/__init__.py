"""The rules of a sign-in, pure: codes, tokens, and what a client that waits is answered.

A sign-in follows RFC 8628: a client gets a device code and a user code, a person confirms the user
code on a page, and the client gets a session key with a refresh token for the device code. The rows
are in `bridge.models.people.sign_ins`, what is done to them in `bridge.accounts`.
"""
