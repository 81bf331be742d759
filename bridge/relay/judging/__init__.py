"""Verdicts on the tool calls of an answer, from a judge model.

Nothing of this runs unless the request asks for verdicts and its alias, or SAFEGUARDS, names a
judge. The judge's request begins when the last call is complete, while the answer goes on; the end
of the answer waits for it. What was judged is in no record: only how it ended.
"""
