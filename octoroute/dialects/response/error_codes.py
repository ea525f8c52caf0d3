"""Codes of errors that are reported inside a response. Source: `ResponseError` of OpenAI's API reference."""

from __future__ import annotations

CONTEXT_CODE = "context_length_exceeded"
CONTENT_CODE = "content_filter"
"""Codes of a `Failed`, and of the error that it becomes."""
REQUEST_FAULTS = frozenset(
    {
        *(CONTEXT_CODE, CONTENT_CODE, "bio_policy", "image_content_policy_violation"),
        *("invalid_image", "invalid_image_format", "invalid_base64_image", "invalid_image_url", "unsupported_image_media_type"),
        *("image_too_large", "image_too_small", "image_parse_error", "invalid_image_mode", "image_file_too_large"),
        *("empty_image_file", "failed_to_download_image", "image_file_not_found"),
    }
)
"""Those that are about the request: no other endpoint is asked."""
