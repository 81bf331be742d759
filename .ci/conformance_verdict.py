"""Judge runs of the conformance kit: each must have run to its end, and together they fail in the
named exceptions and in nothing else.

    conformance_verdict.py EXCEPTIONS OUTPUT...
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

_FAILED = re.compile(r"^FAIL  (\S+?):(?: |$)", re.M)
_ENDED = re.compile(r"^[1-9][0-9]* passed, ([0-9]+) failed$", re.M)


def verdict(exceptions: str, outputs: list[str]) -> str:
    """What is wrong with these runs; "" when nothing is."""
    lines = (line.strip() for line in exceptions.splitlines())
    known = {line for line in lines if line and not line.startswith("#")}
    failed: set[str] = set()
    for output in outputs:
        found, ended = _FAILED.findall(output), _ENDED.search(output)
        if ended is None or int(ended[1]) != len(found):
            return "the conformance kit did not run to its end"
        failed.update(found)
    if unexpected := sorted(failed - known):
        return f"failed conformance cases: {', '.join(unexpected)}"
    if passing := sorted(known - failed):
        return f"exceptions that pass, or are no cases: {', '.join(passing)}"
    return "" if outputs else "no output of the conformance kit"


if __name__ == "__main__":
    texts = [Path(name).read_text(encoding="utf-8") for name in sys.argv[1:]]
    sys.exit(verdict(texts[0], texts[1:]) or 0)
