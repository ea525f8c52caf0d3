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
_find_snake = re.compile(rb'"(?:' + "|".join(_CAMEL).encode() + rb')"[ \t\r\n]*:').search
_CLIENT_DATA = frozenset(
    {"args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema", "labels", "partMetadata"}
)


def camel_names(body: bytes) -> bytes:
    """Return `body`, a JSON object, with the names above in camelCase; unchanged bytes if they are already. Raises BadRequest."""
    if _find_snake(body) is None:
        return body
    try:
        return msgspec.json.encode(_renamed(msgspec.json.decode(body)))
    except (ValueError, RecursionError):
        raise BadRequest("the request body is not valid JSON, or nested too deeply") from None


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
