"""Ollama's client in a loop of tool calls, streamed."""

import os
from pathlib import Path

from ollama import Client, Message


def read_file(path: str) -> str:
    """Read a file.

    Args:
        path: where it is
    """
    return Path(path).read_text()


client = Client(host=os.environ["GATEWAY"])
messages = [Message(role="user", content=os.environ["PROMPT"])]
while True:
    content, calls = "", []
    for part in client.chat("auto", messages=messages, tools=[read_file], stream=True):
        content += part.message.content or ""
        calls += part.message.tool_calls or []
    messages.append(Message(role="assistant", content=content, tool_calls=calls or None))
    if not calls:
        print(content)  # noqa: T201
        break
    for call in calls:
        messages.append(Message(role="tool", tool_name=call.function.name, content=read_file(**call.function.arguments)))
