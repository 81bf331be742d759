"""Checks of pictures and papers. Pure.

Some servers drop what they cannot read and answer all the same, so the questions are such that a
model which saw nothing will hardly guess the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from bridge.probe.check import Check, CheckVerdict, Subject, answer_in_words, ask, quoted, user
from bridge.probe.reply import Body, ProbeReply
from bridge.probe.samples import CODE_WORD, paper, picture

COLOURS = re.compile(
    "red|green|blue|yellow|orange|purple|violet|pink|magenta|cyan|brown|gr[ae]y|black|white", re.I
)
SHOWN = ["green", "yellow"]
_NO_IMAGES = "Could not process image"


def _image(subject: Subject) -> Body:
    question = "Which colour has the left half of this picture, and which the right half?"
    part = {"type": "image_url", "image_url": {"url": picture()}}
    return ask(subject, user([{"type": "text", "text": question}, part]))


def _sees(reply: ProbeReply, subject: Subject) -> CheckVerdict:
    named = list(dict.fromkeys(colour.lower() for colour in COLOURS.findall(reply.text)))
    if named == SHOWN:
        return CheckVerdict(
            True, f"Green left, yellow right: {quoted(reply.text)}", {"vision": True}
        )
    return CheckVerdict(False, f"The picture is green and yellow: {answer_in_words(reply)}")


def _takes_no_images(reply: ProbeReply) -> Mapping[str, Any]:
    refused = reply.error is not None and reply.error.message.startswith(_NO_IMAGES)
    return {"vision": False} if refused else {}


def _pdf(subject: Subject) -> Body:
    file = {"filename": "note.pdf", "file_data": paper()}
    question = "Which code word does this document name?"
    return ask(subject, user([{"type": "text", "text": question}, {"type": "file", "file": file}]))


def _reads(reply: ProbeReply, subject: Subject) -> CheckVerdict:
    if CODE_WORD in reply.text.lower():
        return CheckVerdict(True, f"It read the page: {quoted(reply.text)}")
    return CheckVerdict(False, f"The file was taken and not read: {answer_in_words(reply)}")


SHOWING: Iterable[Check] = (
    Check("image", "Picture", _image, _sees, refusal_facts=_takes_no_images),
    Check("pdf", "PDF as a file", _pdf, _reads),
)
