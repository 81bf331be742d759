"""Refusals that the same request, changed a little, would not have met.

Each function looks for one meaning and returns the error for the client, with the facts under
which a second try makes sense (`Remedy`). The texts are those of servers nobody can list, so what
is looked for is meaning: a refusing word, beside the thing that is refused. Every pattern is a
plain alternative or bounded, since the text is hostile.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bridge.translation import facts
from bridge.translation.errors import output_limit
from bridge.translation.errors.api_error import ApiError, Remedy
from bridge.translation.errors.context import BackendRefusal, ErrorContext
from bridge.translation.facts import Fact
from bridge.translation.profiles import ALL_EFFORTS

REJECTED = "Backend rejected the request: {text}"
FIXABLE = frozenset({400, 404, 413, 415, 422, 500, 501})
"""Statuses with which servers refuse something in the request itself."""

_NOT_TAKEN = (
    r"not (be )?(supported|permitted|allowed|recogni[sz]ed|accepted|implemented|valid|available)"
    r"|not (yet )?support|unsupported|unavailable|unknown|unrecogni[sz]ed|unexpected|invalid"
    r"|extra (inputs?|fields?|key)|only (supports?|accepts?|allows?)|deprecated"
    r"|does ?n[o']t (support|accept|allow|handle|have|take)|cannot|can't|can not|no longer"
    r"|forbidden|不支持|不能|无法|无效|不允许|仅支持|只支持|サポートされてい|지원하지"
    r"|no (se )?(admite|soporta)"
)
_REFUSING = re.compile(
    _NOT_TAKEN + r"|incompatible|must (be|not)|should be|\bonly\b|expected|unable|not a "
    r"|no endpoints|at most 0|conflict|out of range|greater than|less than|between",
    re.I,
)
_REFUSING_A_FIELD = re.compile(_NOT_TAKEN, re.I)


def refuses(text: str) -> bool:
    """Whether a text says that something is not taken, or not so."""
    return _REFUSING.search(text) is not None


def rejected(refusal: BackendRefusal, *learnt: Fact) -> ApiError:
    remedy = Remedy(facts=learnt) if learnt else None
    return ApiError(400, REJECTED.format(text=refusal.text), remedy=remedy)


# --- the length of the answer -----------------------------------------------------------------

_BOTH_NAMES = ("max_tokens", "max_completion_tokens")


def token_field(refusal: BackendRefusal, error_context: ErrorContext) -> ApiError | None:
    """The field that limits the answer has another name here."""
    sent = next((name for name in _BOTH_NAMES if name in error_context.sent), "")
    other = next(name for name in _BOTH_NAMES if name != sent)
    text = refusal.everything
    if not sent or refusal.status not in FIXABLE or not re.search(rf"\b{sent}\b", text):
        return None
    misnamed = re.search(
        r"unsupported (parameter|field)|unknown (parameter|field|name)|unrecogni[sz]ed|extra input"
        r"|extra field|unexpected (keyword|field|parameter)|deprecated|not supported|not permitted",
        text,
        re.I,
    )
    instead = re.search(rf"\b{other}\b", text) and re.search(
        r"instead|\buse\b|replaced|renamed|rather than|请使用|改用", text, re.I
    )
    if not (instead or misnamed) or output_limit.limit(text, error_context.max_tokens):
        return None
    return rejected(refusal, Fact(facts.MAX_TOKENS_FIELD, other))


def answer_length(refusal: BackendRefusal, error_context: ErrorContext) -> ApiError | None:
    """The answer may not be as long as `max_tokens` allows."""
    if refusal.status not in FIXABLE:
        return None
    if not output_limit.recognise(refusal.everything, refusal.fields):
        return None
    limit = output_limit.limit(refusal.everything, error_context.max_tokens)
    return rejected(refusal, *([Fact(facts.MAX_OUTPUT, str(limit))] if limit else ()))


# --- images -----------------------------------------------------------------------------------

_SURELY_IMAGE = re.compile(
    "not a multimodal model|image input is not supported|does not support image"
    "|no endpoints found that support image input|unsupported content part type"
    "|invalid image input|at most 0 image|mmproj",
    re.I,
)
_ABOUT_IMAGE = re.compile(
    r"image|multi-?modal|certain modal|modalit|vision|visual|picture|photo"
    r"|图片|图像|圖片|圖像|多模态|視覺|视觉|画像|이미지"
    r"|imagen|bild",
    re.I,
)
_ABOUT_CONTENT = re.compile(
    r"content[ _-]?(type|part|block|array|list|item)|content\b.{0,40}?\b(str|string|text)\b"
    r"|str \(not .{0,3}list|list indices"
    r"|valid string|only .{0,3}text.{0,3} |expected .{0,3}text|type .{0,3}text|must be a string",
    re.I,
)
_SPOILT_IMAGE = re.compile(
    r"too (large|big|small|many|long)|empty|exceed|at most [1-9]|download|fetch|decod|corrupt"
    r"|base64|resolution|dimension|media.?type|mime|format|truncated"
    r"|could not (load|open|read)|failed to (load|open)|url|size|pixels",
    re.I,
)
_PDF = re.compile("does not support (pdf|file)|pdf (input )?is not supported", re.I)


def image(refusal: BackendRefusal, error_context: ErrorContext) -> ApiError | None:
    """A model that reads no images, or not this one. Claude Code strips images on the wording."""
    text = refusal.everything
    if _PDF.search(text):
        return ApiError.invalid("Could not process PDF: this model does not support PDF input")
    blind = bool(_SURELY_IMAGE.search(text)) or _is_blind(refusal, error_context)
    if not blind and not _spoilt(refusal, error_context):
        return None
    learnt = blind and error_context.has_images and error_context.images_may_go
    remedy = Remedy(facts=(Fact(facts.VISION, "no"),)) if learnt else None
    return ApiError(400, f"Could not process image: {refusal.text}", remedy=remedy)


def _is_blind(refusal: BackendRefusal, error_context: ErrorContext) -> bool:
    text = error_context.without_tool_names(refusal.everything)
    if not error_context.has_images or refusal.status not in FIXABLE or not refuses(text):
        return False
    about_content = _ABOUT_CONTENT.search(text) or {"content", "image_url"} & refusal.fields
    about_others = error_context.added.intersection(_words(text))
    if (
        about_content
        and not about_others
        and not _SPOILT_IMAGE.search(text.replace("image_url", ""))
    ):
        return True
    without_names = re.sub("image_url|image input", "image", text)
    return bool(_ABOUT_IMAGE.search(text)) and not _SPOILT_IMAGE.search(without_names)


def _spoilt(refusal: BackendRefusal, error_context: ErrorContext) -> bool:
    """Not this image, or not so many of them: leaving them out is the client's to decide."""
    text = error_context.without_tool_names(refusal.everything)
    about = refusal.status in FIXABLE and error_context.has_images and _ABOUT_IMAGE.search(text)
    return bool(about and _SPOILT_IMAGE.search(text))


# --- reasoning in the history -----------------------------------------------------------------

_REASONING_FIELD = re.compile(r"\b(reasoning_content|reasoning_details|reasoning|thinking)\b", re.I)
_DEMANDING = re.compile(
    r"missing|must be (passed|sent|provided|included|present|returned|non-?empty|set)|is required"
    r"|required|pass(ed)? (it )?back|sent back|not (found|present|provided)|lacks|without"
    r"|cannot be (empty|null|omitted)|expected|缺少|缺失|必须|必須|未传|需要",
    re.I,
)


def reasoning(refusal: BackendRefusal, error_context: ErrorContext) -> ApiError | None:
    """Earlier reasoning is demanded back, or not taken."""
    text = refusal.everything
    named = re.search(r"\b(reasoning_content|reasoning_details)\b", text)
    field = named[1] if named else _named_field(refusal)
    if not field or refusal.status not in FIXABLE or not error_context.has_history:
        return None
    if error_context.history_field == field and refuses(text) and not _DEMANDING.search(text):
        return rejected(refusal, Fact(facts.REASONING_FIELD, ""))
    if not _DEMANDING.search(text):
        return None
    field = "reasoning_content" if field in ("thinking", "reasoning_details") else field
    if error_context.demanded_field == field:
        # The field is there already, and it is not enough: this once without thinking.
        return rejected(refusal, Fact(facts.THINKING, "off"))
    return rejected(refusal, Fact(facts.REASONING_DEMANDED, field))


def _named_field(refusal: BackendRefusal) -> str:
    """`reasoning` as the name of a field, not as a word of the sentence."""
    text = refusal.everything
    quoted = re.search(r"[`'\"](reasoning|thinking)[`'\"]", text)
    about_message = re.search(r"assistant|tool.?call|message|history", text, re.I)
    return quoted[1] if quoted and about_message and "message" in text.lower() else ""


_SIGNATURE = re.compile(r"thought_?signature", re.I)


def signature(refusal: BackendRefusal, error_context: ErrorContext) -> ApiError | None:
    """Earlier calls are refused without a signature, which those of other models never had."""
    text = refusal.everything
    if refusal.status not in FIXABLE or not _SIGNATURE.search(text):
        return None
    if not error_context.has_unsigned_calls or not _DEMANDING.search(text):
        return None
    return rejected(refusal, Fact(facts.SIGNED_CALLS))


# --- tools, streams -----------------------------------------------------------------------------

_THINKS = re.compile(r"thinking|reasoning|思考|推理", re.I)


def forced_choice(refusal: BackendRefusal, error_context: ErrorContext) -> ApiError | None:
    """A forced tool choice is refused, mostly because the model thinks."""
    text = refusal.everything
    speaks = "tool_choice" in text or "tool choice" in text or "tool_choice" in refusal.fields
    if (
        not speaks
        or not error_context.is_forced
        or refusal.status not in FIXABLE
        or not refuses(text)
    ):
        return None
    by_thinking = _THINKS.search(text) and error_context.may_stop_thinking
    return rejected(refusal, Fact(facts.FORCED_CHOICE, "unthinking" if by_thinking else "auto"))


_STREAMS_ONLY = re.compile(
    r"only (support|accept|allow|work|available)\w{0,5} .{0,30}?\bstream"
    r"|\bstream.{0,40}?(must|should|needs? to|has to|required).{0,30}?(true|enabled|set)"
    r"|(enable|use|set|requires?) .{0,30}?\bstream(ing)?\b"
    r"|non.?stream\w{0,6}.{0,60}?(not|unsupported|n't)"
    r"|(not|n't).{0,40}?non.?stream|(仅|只)支持流式|不支持非流式|stream=true",
    re.I,
)


def stream_only(refusal: BackendRefusal, error_context: ErrorContext) -> ApiError | None:
    """A model that only streams: it is asked for a stream, which is folded."""
    whole = error_context.sent.get("stream") is False and refusal.status in FIXABLE
    about_options = "stream_options" in refusal.everything
    if not whole or about_options or not _STREAMS_ONLY.search(refusal.everything):
        return None
    return rejected(refusal, Fact(facts.STREAM_ONLY))


_GRAMMAR = re.compile(
    r"(parse|compile|build|convert|initiali[sz]e|generate|create).{0,40}?grammar"
    r"|grammar.{0,60}?(error|fail|invalid|not supported|unsupported|could not|too complex)"
    r"|(schema|pattern|regex|regular expression|lookahead|lookbehind).{0,80}?"
    r"(not supported|unsupported|unimplemented|not implemented|cannot be (compiled|converted))"
    r"|(unsupported|unimplemented|invalid).{0,60}?(json schema|schema keyword|regex|lookahead)"
    r"|xgrammar|(failed|unable|error).{0,30}?(compile|convert).{0,30}?(schema|regex)",
    re.I,
)


def grammar(refusal: BackendRefusal, error_context: ErrorContext) -> ApiError | None:
    """A grammar compiler that cannot take the schemas: once more with narrowed ones."""
    if not _GRAMMAR.search(refusal.everything) or refusal.status not in FIXABLE | {502}:
        return None
    if "response_format" in error_context.added & set(_words(refusal.everything)):
        # What the answer must look like can be said in words, so that no schema need be sent.
        return rejected(refusal, *facts.refuses("response_format"))
    learnt = (Fact(facts.NARROW_SCHEMAS),) if error_context.can_narrow else ()
    return rejected(refusal, *learnt)


# --- the effort of thinking: beside tools, and one level where others are taken ------------------

_NONE_INSTEAD = re.compile(r"(set|use|to|be)\b.{0,40}?[`'\"]?\bnone\b", re.I)


def effort_beside_tools(refusal: BackendRefusal, error_context: ErrorContext) -> ApiError | None:
    """An effort beside tools is refused unless it is "none"."""
    text = refusal.everything
    sent = error_context.sent.get("reasoning_effort")
    if sent in (None, "none") or "reasoning_effort" not in text or refusal.status not in FIXABLE:
        return None
    if not error_context.sent.get("tools") or not _NONE_INSTEAD.search(text) or not refuses(text):
        return None
    return rejected(refusal, Fact(facts.EFFORT_BESIDE_TOOLS, "none"))


_USUAL_EFFORTS = ("low", "medium", "high")
_ABOUT_EFFORT = re.compile(r"\beffort\b|reasoning.?effort", re.I)
_FIELD_UNKNOWN = re.compile(
    r"extra (input|field|key)|unrecogni[sz]ed|not permitted"
    r"|(unknown|unexpected) (field|parameter|argument|name|key)",
    re.I,
)


def refused_effort(refusal: BackendRefusal, error_context: ErrorContext) -> ApiError | None:
    """This effort is refused where others are taken, mostly "none" by a model that always thinks.

    The ones that are taken stand in the text as often as not; else the usual three are.
    """
    text = refusal.everything
    sent = error_context.sent.get("reasoning_effort")
    is_about = _ABOUT_EFFORT.search(text) or "reasoning_effort" in refusal.fields
    if sent not in ALL_EFFORTS or not is_about or refusal.status not in FIXABLE:
        return None
    if _FIELD_UNKNOWN.search(text) or not refuses(text):
        return None
    words = set(re.findall(r"[a-z]+", text.lower()))
    taken = [effort for effort in ALL_EFFORTS if effort in words and effort != sent]
    if len(taken) < 2 and sent in words and sent not in _USUAL_EFFORTS:
        taken = [*_USUAL_EFFORTS]
    return rejected(refusal, Fact(facts.EFFORTS, " ".join(taken))) if len(taken) > 1 else None


# --- optional fields --------------------------------------------------------------------------

SAMPLING = frozenset({"temperature", "top_p", "top_k"})
_NOT_BOTH = re.compile(r"\bboth\b|only one|one of|together|simultaneous|at the same time", re.I)


def refused_field(refusal: BackendRefusal, error_context: ErrorContext) -> ApiError | None:
    """A 400 that refuses a field which may go: the same request without it will do.

    The field is named by place (`param`, `loc`) or, as a whole word, in a sentence that refuses
    something; a word that merely occurs ("in thinking mode ...") is no refusal.
    """
    if refusal.status not in (400, 422):
        return None
    words = set(_words(refusal.everything))
    named = error_context.added & refusal.fields
    if _REFUSING_A_FIELD.search(refusal.everything):
        named |= error_context.added & words
    elif refuses(refusal.everything):
        # Of the client's own fields the value may be refused, and nobody can change it there.
        named |= error_context.added & words & SAMPLING
    if "temperature" in named and len(named & SAMPLING) > 1 and _NOT_BOTH.search(refusal.text):
        named -= {"temperature"}
    return rejected(refusal, *facts.refuses(*sorted(named))) if named else None


def _words(text: str) -> Iterable[str]:
    return re.findall(r"\w+", text)
