"""Field names of a generateContent request: clients may write them in camelCase or in snake_case. Pure.

ProtoJSON accepts both (https://protobuf.dev/programming-guides/json/). Values that are the client's own data (arguments, function
responses, schemas) keep their keys.
"""

from __future__ import annotations

import re
from typing import Any, cast

import msgspec

from octoroute.errors import BadRequest

_NAMES = (
    "systemInstruction", "generationConfig", "safetySettings", "cachedContent", "toolConfig", "generateContentRequest",
    "serviceTier", "inlineData", "fileData", "mimeType", "fileUri", "displayName", "functionCall", "functionResponse",
    "executableCode", "codeExecutionResult", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata",
    "functionDeclarations",
    "parametersJsonSchema", "responseJsonSchema", "googleSearch", "googleSearchRetrieval", "codeExecution", "urlContext",
    "computerUse", "fileSearch", "googleMaps", "enterpriseWebSearch", "mcpServers", "functionCallingConfig",
    "allowedFunctionNames", "retrievalConfig", "maxOutputTokens", "topP", "topK", "stopSequences", "candidateCount",
    "presencePenalty", "frequencyPenalty", "responseMimeType", "responseSchema", "responseModalities", "responseLogprobs",
    "thinkingConfig", "includeThoughts", "thinkingBudget", "thinkingLevel", "outputDimensionality", "taskType", "speechConfig",
    "imageConfig", "willContinue", "audioTimestamp", "enableEnhancedCivicAnswers", "toolCall", "toolResponse",
)  # fmt: skip
_CAMEL = {re.sub(r"([A-Z])", lambda found: "_" + found[1].lower(), name): name for name in _NAMES}
_CAMEL["_response_json_schema"] = _CAMEL["_responseJsonSchema"] = "responseJsonSchema"
"""The SDK's name before the field was published."""
_SNAKE = re.compile(rb'"(?=[_a-z])(?:' + "|".join(_CAMEL).encode() + rb')"')
_COLON = re.compile(rb"[ \t\r\n]*:")
_SLICE_BYTES = 256 * 1024
_OVERLAP_BYTES = max(map(len, _CAMEL)) + 2
_CLIENT_DATA = frozenset(
    {"args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema", "labels", "partMetadata"}
)


def camel_names(body: bytes) -> bytes:
    """Return `body`, a JSON object, with the names above in camelCase; unchanged bytes if they are already. Raises BadRequest."""
    if not _has_snake(body):
        return body
    try:
        return msgspec.json.encode(_renamed(msgspec.json.decode(body)))
    except (ValueError, RecursionError):
        raise BadRequest("the request body is not valid JSON, or nested too deeply") from None


def _has_snake(body: bytes) -> bool:
    """Whether one of the names above stands before a colon. The body is searched in slices, to leave others the interpreter."""
    if b"_" not in body:
        return False
    for at in range(0, len(body), _SLICE_BYTES):
        for found in _SNAKE.finditer(body, at, at + _SLICE_BYTES + _OVERLAP_BYTES):
            if _COLON.match(body, found.end()):
                return True
    return False


def _renamed(value: Any) -> Any:
    if isinstance(value, dict):
        renamed: dict[str, Any] = {}
        for key, inner in cast("dict[str, Any]", value).items():
            name = _CAMEL.get(key, key)
            renamed[name] = inner if name in _CLIENT_DATA else _renamed(inner)
        return renamed
    if isinstance(value, list):
        return [_renamed(item) for item in cast("list[Any]", value)]
    return value
