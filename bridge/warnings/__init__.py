"""Warnings before something happens: what is watched, what is made of it, and how it is sent.

    watcher -> readings -> events -> outbox -> sender -> webhook or mail

The watcher looks at what the pages show anyway (the ledger's sums, the states of backends, the rows
of processes) and compares it with the thresholds of rules. What it finds becomes rows, and the
sender delivers those. Both work in the process that leads, and in no request.
"""
