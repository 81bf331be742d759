"""The text of a PDF, for backends that take no files. Needs the optional package pypdf.

Blocking, and slow on large files: it runs in a thread. A file that cannot be read, or holds no
text, gives "", so that the client learns that PDFs do not work here.
"""

from __future__ import annotations

import base64
import io
import logging
from importlib import import_module

logger = logging.getLogger(__name__)

MAX_PAGES = 500


def text_of(data: str) -> str:
    """The text of a PDF given in base64, pages separated by a blank line."""
    pypdf = import_module("pypdf")
    try:
        reader = pypdf.PdfReader(io.BytesIO(base64.b64decode(data)))
        pages = [page.extract_text() for page in reader.pages[:MAX_PAGES]]
    except (pypdf.errors.PyPdfError, ValueError, KeyError, TypeError, AttributeError) as error:
        logger.info("a PDF could not be read: %s", type(error).__name__)
        return ""
    return "\n\n".join(page.strip() for page in pages if page.strip())
