"""The item of a Responses stream that deltas belong to, and the bytes around each of its deltas. Pure."""

from __future__ import annotations

from octoroute.dialects.responses.custom_input import CustomInput
from octoroute.dialects.responses.response import Fields
from octoroute.dialects.responses.tools import CUSTOM, SEARCH, ToolId

TEXT, REFUSAL, THINKING, FUNCTION_CALL, CUSTOM_CALL, SEARCH_CALL = range(6)
PREFIXES = {TEXT: "msg_", REFUSAL: "msg_", THINKING: "rs_", FUNCTION_CALL: "fc_", CUSTOM_CALL: "ctc_", SEARCH_CALL: "tsc_"}
_DELTA_EVENTS = {
    TEXT: b"response.output_text.delta",
    REFUSAL: b"response.refusal.delta",
    THINKING: b"response.reasoning_summary_text.delta",
    FUNCTION_CALL: b"response.function_call_arguments.delta",
    CUSTOM_CALL: b"response.custom_tool_call_input.delta",
    SEARCH_CALL: b"",
}
_PLACES = {TEXT: b',"content_index":0', REFUSAL: b',"content_index":0', THINKING: b',"summary_index":0'}
CALL_KINDS = {CUSTOM: CUSTOM_CALL, SEARCH: SEARCH_CALL}
"""By the kind of the tool; all others are functions."""


class OpenItem:
    """The item that deltas belong to."""

    __slots__ = ("annotations", "call_id", "delta_head", "delta_tail", "id", "input", "kind", "parts", "tool")

    def __init__(self, kind: int, id: str, index: int, tool: ToolId | None = None, call_id: str = "") -> None:
        self.kind = kind
        self.id = id
        self.tool = tool
        self.call_id = call_id
        self.parts: list[str] = []
        self.annotations: list[Fields] = []
        self.input = CustomInput() if kind == CUSTOM_CALL else None
        name = _DELTA_EVENTS[kind]
        self.delta_head = b'event: %b\ndata: {"type":"%b","sequence_number":' % (name, name)
        logprobs = b',"logprobs":[]' if kind == TEXT else b""
        place = b',"item_id":"%b","output_index":%d%b%b' % (id.encode(), index, _PLACES.get(kind, b""), logprobs)
        self.delta_tail = place + b',"delta":'
