"""Wire structs of a client's generateContent request: the fields that the decoders read. Other fields are skipped. Pure.

Names are in camelCase: `names.camel_names` has replaced the others.
"""

from __future__ import annotations

from typing import Any

import msgspec

ABSENT = msgspec.Raw(b"")


class InlineData(msgspec.Struct, rename="camel"):
    """`data` is base64 in either alphabet."""

    mime_type: str = ""
    data: str = ""
    display_name: str | None = None


class FileUri(msgspec.Struct, rename="camel"):
    file_uri: str = ""
    mime_type: str | None = None
    display_name: str | None = None


class ResponsePart(msgspec.Struct, rename="camel"):
    """Media inside a function's response."""

    inline_data: InlineData | None = None
    file_data: FileUri | None = None


class CallPart(msgspec.Struct):
    id: str | None = None
    name: str = ""
    args: msgspec.Raw = ABSENT


class ResultPart(msgspec.Struct):
    id: str | None = None
    name: str = ""
    response: msgspec.Raw = ABSENT
    parts: list[ResponsePart] | None = None


class CodePart(msgspec.Struct):
    """`executableCode` has `code`, `codeExecutionResult` has `output`."""

    code: str | None = None
    output: str | None = None


class RequestPart(msgspec.Struct, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: msgspec.Raw = ABSENT
    """An InlineData, decoded only when it is needed, because it is large."""
    file_data: FileUri | None = None
    function_call: CallPart | None = None
    function_response: ResultPart | None = None
    executable_code: CodePart | None = None
    code_execution_result: CodePart | None = None
    tool_call: Any = None
    tool_response: Any = None


class RequestContent(msgspec.Struct):
    parts: list[RequestPart] | None = None
    role: str | None = None


class FunctionDeclaration(msgspec.Struct, rename="camel"):
    name: str = ""
    description: str | None = None
    parameters: dict[str, Any] | None = None
    """A schema in the OpenAPI subset."""
    parameters_json_schema: dict[str, Any] | None = None


class CallingConfig(msgspec.Struct, rename="camel"):
    mode: str | None = None
    allowed_function_names: list[str] | None = None


class ToolConfig(msgspec.Struct, rename="camel"):
    function_calling_config: CallingConfig | None = None


class ThinkingSettings(msgspec.Struct, rename="camel"):
    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class GenerationConfig(msgspec.Struct, rename="camel"):
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    max_output_tokens: int | None = None
    stop_sequences: list[str] | None = None
    candidate_count: int | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_mime_type: str | None = None
    response_schema: dict[str, Any] | None = None
    response_json_schema: dict[str, Any] | None = None
    response_modalities: list[str] | None = None
    thinking_config: ThinkingSettings | None = None


class GenerateRequest(msgspec.Struct, rename="camel"):
    contents: list[RequestContent] | None = None
    system_instruction: RequestContent | str | None = None
    tools: list[dict[str, msgspec.Raw]] | None = None
    tool_config: ToolConfig | None = None
    generation_config: GenerationConfig | None = None
