"""The sentences of warnings. Names come from outside: no line break or control in them. Pure."""

from __future__ import annotations

LONGEST_NAME = 100
LONGEST_TEXT = 600


def plain(text: str, most: int = LONGEST_NAME) -> str:
    """One line of printable text, cut where it is too long."""
    visible = "".join(c if c.isprintable() else " " for c in text[: 4 * most])
    line = " ".join(visible.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def budget(kind: str, name: str, percent: float, limit: str, resets: str) -> str:
    whose = f"{kind.capitalize()} {plain(name)}"
    until = f" until {resets}" if resets else ""
    if percent >= 100:
        return f"{whose} has used all of its {limit}: requests are refused{until}."
    begins = f"; it begins anew at {resets}" if resets else ""
    return f"{whose} has used {percent:.0f} % of its {limit}{begins}."


def backend_down(name: str, sentence: str) -> str:
    return f"Backend {plain(name)} {plain(sentence, 400)}."


def backend_back(name: str) -> str:
    return f"Backend {plain(name)} serves again."


def backend_off(name: str) -> str:
    return f"Backend {plain(name)} was taken out of service by an operator."


def errors(model: str, failed: int, requests: int, minutes: int) -> str:
    name = plain(model) or "no model"
    share = 100.0 * failed / requests
    return (
        f"{share:.0f} % of the requests for {name} failed in the last {minutes} minutes "
        f"({failed} of {requests})."
    )


def expiring(name: str, moment: str, days: float) -> str:
    left = f"{days * 24:.0f} hours" if days < 2 else f"{days:.0f} days"
    return f"Key {plain(name)} expires in {left}, at {moment}."


def ledger(host: str, waiting: int, seconds: float) -> str:
    return (
        f"The usage records of {plain(host)} are {seconds / 60:.0f} minutes behind; {waiting} wait."
    )


def disk(host: str, percent: float) -> str:
    return f"The disk with the data of {plain(host)} is {percent:.0f} % full."
