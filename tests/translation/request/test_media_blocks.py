"""Images and documents: what a backend may be shown, and what is said where it may not."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.translation.errors.api_error import ApiError
from bridge.translation.profiles import ModelFacts
from bridge.translation.request.blocks import IMAGE_OMITTED, IMAGE_REFUSED, PDF_REFUSED
from bridge.translation.request.schema import has_pdf
from bridge.translation.request.translate import TranslationOptions
from tests.shapes import Json
from tests.translation.asking import (
    PNG,
    PNG_URL,
    as_assistant,
    as_user,
    ask,
    image,
    in_result,
    result,
    text,
    to_backend,
    up_image,
    user,
)

BLIND = ModelFacts("m", vision=False)


def b64(data: str, **more: Any) -> Json:
    return image(type="base64", data=data, **more)


IMAGES: list[tuple[str, Json, str]] = [
    ("F22 base64", image(), PNG_URL),
    (
        "white space in the data",
        b64("iVBO\nRw0K ", media_type="image/png"),
        "data:image/png;base64,iVBORw0K",
    ),
    ("no media type, a PNG", b64(PNG), PNG_URL),
    ("no media type, a JPEG", b64("/9j/4AAQ"), "data:image/jpeg;base64,/9j/4AAQ"),
    ("no media type, a GIF", b64("R0lGODlhAQ=="), "data:image/gif;base64,R0lGODlhAQ=="),
    ("no media type, a WebP", b64("UklGRg=="), "data:image/webp;base64,UklGRg=="),
    ("no media type, unknown", b64("AAAA", media_type=5), "data:image/png;base64,AAAA"),
    ("no media type, broken", b64("AAA"), "data:image/png;base64,AAA"),
    ("no media type, not ASCII", b64("\u00e9"), "data:image/png;base64,\u00e9"),
    ("a registered name", b64("AAAA", media_type="image/JPG"), "data:image/jpeg;base64,AAAA"),
    ("parameters", b64("AAAA", media_type="image/gif; q=1"), "data:image/gif;base64,AAAA"),
    ("no image's type", b64(PNG, media_type="application/octet-stream"), PNG_URL),
    ("data in a URL", image(type="url", url=PNG_URL), PNG_URL),
    ("a URL", image(type="url", url="https://x/y.png"), "https://x/y.png"),
]


@pytest.mark.parametrize(("block", "url"), [i[1:] for i in IMAGES], ids=[i[0] for i in IMAGES])
def test_image_becomes_a_part(block: Json, url: str) -> None:
    """The specification, C3. R13, P16."""
    assert as_user(text("see"), block) == [text("see"), up_image(url)]


PLACE = "messages.2.content.1.image.source"
REFUSED_IMAGES: list[tuple[str, Json, str]] = [
    ("a file", image(type="file", file_id="f"), f"{PLACE}: file sources are not supported"),
    ("of no kind", image(type="x"), f"{PLACE}: Input should be a base64 or url source"),
    ("a URL that is none", image(type="url"), f"{PLACE}: Input should be a base64 or url source"),
    ("an empty URL", image(type="url", url=""), f"{PLACE}: Input should be a base64 or url source"),
    (
        "a file of the backend",
        image(type="url", url="file:///etc/passwd"),
        f"{PLACE}.url: Input should be an http or https address",
    ),
    ("only white space", b64(" \n"), f"{PLACE}.data: Field required"),
    ("no data", image(type="base64"), f"{PLACE}.data: Field required"),
]


@pytest.mark.parametrize(
    ("block", "message"), [r[1:] for r in REFUSED_IMAGES], ids=[r[0] for r in REFUSED_IMAGES]
)
def test_image_that_cannot_be_had_is_refused(block: Json, message: str) -> None:
    """The specification, C3."""
    with pytest.raises(ApiError) as caught:
        as_user(text("see"), block)
    assert (caught.value.status, caught.value.message) == (400, message)


def test_image_url_needs_a_backend_that_fetches() -> None:
    """The specification, C3: Ollama takes data URLs only."""
    with pytest.raises(ApiError, match="image: URL sources are not supported by this backend"):
        as_user(image(type="url", url="https://x/y.png"), profile="ollama")


@pytest.mark.parametrize("source", [{}, {"type": "url", "url": "https://x"}, {"type": "file"}])
def test_f23_image_for_a_model_that_cannot_see_becomes_a_note(source: Json) -> None:
    """F23: any image; the request is served, and the loss is named."""
    request = to_backend("ollama", BLIND, messages=[user("see", image(**source))])
    assert request.body["messages"] == [{"role": "user", "content": f"see\n\n{IMAGE_OMITTED}"}]
    assert request.dropped == ("image",)


def test_f24_image_for_a_model_that_cannot_see_may_be_refused() -> None:
    """F24: Claude Code strips images when it reads this."""
    with pytest.raises(ApiError) as caught:
        as_user(image(), facts=BLIND, options=TranslationOptions(images_on_text_model="error"))
    assert (caught.value.status, caught.value.message) == (400, IMAGE_REFUSED)
    assert IMAGE_REFUSED.startswith("Could not process image")


@pytest.mark.parametrize("vision", [True, None], ids=["that sees", "of which nothing is known"])
def test_image_is_sent_to_a_model(vision: bool | None) -> None:
    """The specification: unknown never means no."""
    assert as_user(image(), facts=ModelFacts("m", vision=vision)) == [up_image()]


# --- documents --------------------------------------------------------------------------------

PDF: Json = {
    "type": "document",
    "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE Ri0="},
}
PDF_DATA = "data:application/pdf;base64,JVBERi0="


def test_document_of_parts_keeps_its_images() -> None:
    """The specification, C3."""
    block = {
        "type": "document",
        "source": {"type": "content", "content": [text("a"), image(), {"type": "image"}]},
    }
    assert as_user(block) == [text("<document>\na\n</document>"), up_image()]
    assert as_assistant(block) == "<document>\na\n</document>\n\n[image]"


@pytest.mark.parametrize(("title", "name"), [({}, "document.pdf"), ({"title": "T"}, "T")])
def test_pdf_is_a_file_part_where_files_are_taken(title: Json, name: str) -> None:
    """The specification, C3: openai and openrouter."""
    file = {"type": "file", "file": {"filename": name, "file_data": PDF_DATA}}
    assert as_user(text("see"), PDF | title, profile="openai") == [text("see"), file]


SOURCES: list[tuple[str, Json]] = [
    ("F26 base64", PDF["source"]),
    ("a URL", {"type": "url", "url": "https://x"}),
    ("a file", {"type": "file", "file_id": "f"}),
    ("no text", {"type": "text"}),
]


@pytest.mark.parametrize("source", [s[1] for s in SOURCES], ids=[s[0] for s in SOURCES])
def test_document_that_cannot_be_read_is_refused(source: Json) -> None:
    """F26: this wording makes Claude Code go on without the document."""
    with pytest.raises(ApiError) as caught:
        as_user({"type": "document", "source": source})
    assert (caught.value.status, caught.value.message) == (400, PDF_REFUSED)
    assert "does not support PDF input" in PDF_REFUSED


@pytest.mark.parametrize("place", [as_assistant, in_result])
def test_pdf_is_refused_where_no_file_can_stand(place: Any) -> None:
    """The specification, C3."""
    with pytest.raises(ApiError, match="does not support PDF input"):
        place(PDF, profile="openai")


@pytest.mark.parametrize("place", [as_user, as_assistant, in_result])
def test_pdf_is_told_as_text_where_it_can_be_read(place: Any) -> None:
    """The specification, C3: a profile without file parts, with the extra for PDFs."""
    reads = TranslationOptions(pdf_text=lambda data: f"read {data}")
    expected = '<document title="T">\nread JVBERi0=\n</document>'
    assert place(PDF | {"title": "T"}, options=reads) == expected


def test_pdf_without_text_is_refused() -> None:
    """F26: there is nothing to tell."""
    with pytest.raises(ApiError, match="does not support PDF input"):
        as_user(PDF, options=TranslationOptions(pdf_text=lambda data: ""))


HAS_PDF: list[tuple[str, list[Json], bool]] = [
    ("one in a message", [user("q"), user(PDF)], True),
    ("one in a result", [user(result("t", "r", PDF))], True),
    ("text", [user({"type": "document", "source": {"type": "text", "data": "x"}})], False),
    ("none", [user("q", image())], False),
    ("a result of text", [user(result("t", "r"))], False),
]


@pytest.mark.parametrize(
    ("messages", "found"), [h[1:] for h in HAS_PDF], ids=[h[0] for h in HAS_PDF]
)
def test_it_is_known_whether_a_pdf_has_to_be_read(messages: list[Json], found: bool) -> None:
    """Ours: reading one takes time, so it is not done on the event loop."""
    assert has_pdf(ask(messages=messages)) is found
