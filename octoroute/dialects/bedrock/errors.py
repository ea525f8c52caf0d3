"""Errors of Bedrock: the type in `x-amzn-errortype` or in the exception of a stream, the words in `message`. Pure.

Source: Amazon Bedrock, "Common errors", and the errors of Converse and ConverseStream.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import msgspec.structs

from octoroute.dialects.response.error_codes import CONTENT_CODE, CONTEXT_CODE
from octoroute.dialects.response.error_shapes import load_object
from octoroute.dialects.response.errors import MAX_MESSAGE_CHARS, read_error_body
from octoroute.dialects.response.upstream_error import read_failed_event, read_upstream_error
from octoroute.domain.events import Failed
from octoroute.errors import UpstreamError

NAME = "bedrock"
_STATUSES: Mapping[str, int] = {
    "expiredtokenexception": 403,
    "incompletesignatureexception": 403,
    "invalidsignatureexception": 403,
    "missingauthenticationtokenexception": 403,
    "modelerrorexception": 500,
    "modelstreamerrorexception": 500,
    "modeltimeoutexception": 504,
    "servicequotaexceededexception": 429,
    "unrecognizedclientexception": 403,
}
"""Types that mean something else than their status does at other vendors: a model's error is 424 here, a full quota 400."""
_STREAM_STATUSES: Mapping[str, int] = {
    **_STATUSES,
    "accessdeniedexception": 403,
    "internalserverexception": 500,
    "modelnotreadyexception": 429,
    "resourcenotfoundexception": 404,
    "serviceunavailableexception": 503,
    "throttlingexception": 429,
    "validationexception": 400,
}
"""Exceptions of a stream, which come without a status."""
_LABELS: Mapping[str, str] = {"resourcenotfoundexception": "model_not_found", "modeltimeoutexception": "timeout"}
"""Types that other vendors name otherwise. The only resource of these requests is the model."""


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError | None:
    """As `Outbound.read_error`."""
    word = _type_name(headers.get("x-amzn-errortype", "")) or _type_in(body)
    if status < 400 or not word:
        return read_upstream_error(status, headers, body, NAME)
    error = read_error_body(body)
    message = error.message if error is not None else body[:MAX_MESSAGE_CHARS].decode("utf-8", "replace")
    shaped = msgspec.json.encode({"message": message, "type": _LABELS.get(word.lower(), word)})
    return read_upstream_error(_STATUSES.get(word.lower(), status), headers, shaped, NAME)


def read_exception(word: str, message: str) -> Failed:
    """The event for an exception inside a stream. `word`: its type."""
    status = _STREAM_STATUSES.get(word.lower(), 500)
    label = _LABELS.get(word.lower(), word)
    failed = read_failed_event(msgspec.json.encode({"message": message or word, "type": label, "code": str(status)}))
    return failed if failed.code in {CONTEXT_CODE, CONTENT_CODE} else msgspec.structs.replace(failed, code=word)


def _type_in(body: bytes) -> str:
    value = load_object(body)
    word = value.get("__type") if value is not None else None
    return _type_name(word) if isinstance(word, str) else ""


def _type_name(word: str) -> str:
    """`com.amazon.coral.service#ThrottlingException:http://…` without what stands around the name."""
    return word.partition(":")[0].rpartition("#")[2].strip()
