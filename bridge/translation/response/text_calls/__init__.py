"""Tool calls that a model writes as text: which text is a call, and in which formats.

stage     deltas in, deltas out: what may be a call is held, all else goes on as it came
markdown  where in the text a call may stand: at the start of a line, outside quotes
reading   the text from an opening mark to the end of the answer, read as calls
formats   THE table of formats; a new one is a row here and a small reader
source    what readers are made of
tools     the declared tools, and what makes a name and arguments a call of one
"""
