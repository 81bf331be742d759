"""Judge a run of the conformance kit: it must have run, and fail in no case but the named ones."""

from __future__ import annotations

import re
import sys
from pathlib import Path


def main(output: Path, exceptions: Path) -> str:
    text = output.read_text(encoding="utf-8")
    known = {line for line in exceptions.read_text(encoding="utf-8").splitlines() if line}
    failed = set(re.findall(r"^FAIL  (\S+?):(?: |$)", text, re.M))
    if not re.search(r"^[1-9][0-9]* passed, [0-9]+ failed$", text, re.M):
        return "the conformance kit did not run to its end"
    if unexpected := sorted(failed - known):
        return f"failed conformance cases: {', '.join(unexpected)}"
    return ""


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])) or 0)
