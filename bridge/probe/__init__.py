"""The capability probe: about two dozen tiny requests that show what one model really does.

Pure, tested without a server:

    reply.py      bytes of an answer -> what they say
    check.py      what a check is: how it asks, how its answer is judged
    samples.py    the picture, the paper and the tools that checks show
    completion_checks.py, thinking_checks.py, system_checks.py, tool_checks.py, media_checks.py,
    limit_checks.py
                  the checks by topic
    checks.py     all of them, in order

With input and output:

    target.py     the backend and model that are probed, read from their rows
    run.py        sends one check after another
    progress.py   a run as lines of JSON, for a page that watches it
"""
