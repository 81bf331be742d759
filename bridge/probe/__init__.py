"""The capability probe: about two dozen tiny requests that show what one model really does.

Pure, tested without a server:

    heard.py      bytes of an answer -> what was heard
    trial.py      what a check is: how it asks, how its answer is judged
    samples.py    the picture, the paper and the tools that checks show
    answering.py, thinking.py, instructing.py, calling.py, showing.py, limits.py
                  the checks by topic
    checks.py     all of them, in order

With input and output:

    run.py        sends one check after another
    storing.py    findings -> the model's row
    live.py       a run as lines of JSON, for a page that watches it
"""
