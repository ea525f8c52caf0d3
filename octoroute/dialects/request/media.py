"""Data URLs and media types of images and documents. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from octoroute.domain.conversation import Block, Document, Image, Text
from octoroute.errors import BadRequest

PDF = "application/pdf"
IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
"""Image types that Anthropic, OpenAI, and Gemini all accept."""
_ALIASES: Mapping[str, str] = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}
_MAX_URL_IN_MESSAGE = 40
_TO_STANDARD = str.maketrans("-_", "+/")
MARKDOWN_START = "](data:image/"
"""What every text with an image in `markdown_image`'s form contains."""
_MARKDOWN_IMAGE = re.compile(r"!\[[^\]\n]{0,200}\]\(data:(image/[a-z+.-]{1,40});base64,([A-Za-z0-9+/=]+)\)")


def image_from_url(url: str, param: str, detail: str | None = None) -> Image:
    """Build an image from a data URL or web URL. Raises BadRequest that names `param`."""
    if url[:5].lower() == "data:":
        media_type, data = split_data_url(url, param)
        return Image(media_type=media_type, data=data, detail=detail)
    check_web_url(url, param)
    return Image(url=url, detail=detail)


def check_web_url(url: str, param: str) -> None:
    """Raise BadRequest that names `param` unless `url` is http or https."""
    if not url[:8].lower().startswith(("http://", "https://")):
        raise BadRequest(f"{param}: must be an http, https, or data URL, not '{url[:_MAX_URL_IN_MESSAGE]}'", param=param)


def split_data_url(url: str, param: str) -> tuple[str, str]:
    """Split into (media type without parameters, base64 data). Raises BadRequest that names `param`."""
    head, comma, data = url[5:].partition(",")
    media_type, *parameters = [part.strip().lower() for part in head.split(";")]
    if not comma or "base64" not in parameters:
        raise BadRequest(f"{param}: a data URL must be of the form data:<media type>;base64,<data>", param=param)
    return media_type_name(media_type), data


def document_from_file(data: str, title: str | None, param: str) -> Document:
    """Build a document from a data URL, or from base64, which is taken for a PDF. Raises BadRequest that names `param`."""
    if not data.startswith("data:"):
        return Document(media_type=PDF, data=data, title=title)
    media_type, content = split_data_url(data, param)
    return Document(media_type=media_type, data=content, title=title)


def standard_base64(text: str) -> str:
    """Base64 in the standard alphabet with its padding, of base64 in either alphabet: vendors and decoders take no other form."""
    text = text.translate(_TO_STANDARD).rstrip("=")
    return text + "=" * (-len(text) % 4)


def media_type_name(media_type: str) -> str:
    name = media_type.strip().lower()
    return _ALIASES.get(name, name)


def split_markdown_images(text: str, cache: str = "") -> list[Block]:
    """Text of an assistant with its `![...](data:image/...)` as images, so that no model reads their base64 as text.

    `markdown_image` writes them, in formats whose answers have no images.
    """
    if MARKDOWN_START not in text:
        return [Text(text, cache=cache)] if text else []
    blocks: list[Block] = []
    end = 0
    for found in _MARKDOWN_IMAGE.finditer(text):
        if before := text[end : found.start()]:
            blocks.append(Text(before))
        blocks.append(Image(media_type=media_type_name(found[1]), data=found[2]))
        end = found.end()
    if end < len(text):
        blocks.append(Text(text[end:], cache=cache))
    return blocks


def markdown_image(media_type: str, data: str) -> str:
    return f"![image]({data_url(media_type, data)})"


def data_url(media_type: str | None, data: str) -> str:
    return f"data:{media_type or 'application/octet-stream'};base64,{data}"


def document_text(document: Document) -> str | None:
    """A text document as plain text, with its title and context, for models that take no documents; None if it is not text."""
    if document.text is None:
        return None
    return "\n\n".join(part for part in (document.title, document.context, document.text) if part)
