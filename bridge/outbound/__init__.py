"""HTTP/1.1 requests to other servers: connections, what waits in them, what goes wrong.

Knows nothing of ours. What is read reaches whoever waits for it in the same turn of the event loop.
"""
