"""A server of the Model Context Protocol on standard input and output, with one tool: what is noted under a word."""

import json
import sys

NOTES = {"secret": "The secret is octopus-7431."}
TOOL = {
    "name": "look_up",
    "description": "What is noted under a word.",
    "inputSchema": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
}


def answer(request):
    method, params = request["method"], request.get("params") or {}
    if method == "initialize":
        information = {"name": "notes", "version": "1.0"}
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": information}
    if method == "tools/list":
        return {"tools": [TOOL]}
    if method == "tools/call":
        return {"content": [{"type": "text", "text": NOTES[params["arguments"]["word"]]}]}
    return {}


for line in sys.stdin:
    request = json.loads(line)
    if "id" in request:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": answer(request)}) + "\n")
        sys.stdout.flush()
