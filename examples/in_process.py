"""octoroute inside another program: `python examples/in_process.py config.toml "Why is the sky blue?"`."""

from __future__ import annotations

import asyncio
import sys

import octoroute
from octoroute.errors import ConfigError, OctorouteError


async def main(file: str, prompt: str) -> int:
    question = {"model": "auto", "messages": [{"role": "user", "content": prompt}]}
    async with octoroute.Gateway.from_file(file) as gateway:
        answer = await gateway.ask(question)
        print(f"{answer.tier} ({answer.endpoint}): {answer.json()['choices'][0]['message']['content']}")

        async with gateway.stream(question) as chunks:
            async for chunk in chunks:
                for choice in chunk["choices"]:
                    print(choice["delta"].get("content") or "", end="", flush=True)
        print()
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f'usage: python {sys.argv[0]} CONFIG "PROMPT"')
    try:
        sys.exit(asyncio.run(main(sys.argv[1], sys.argv[2])))
    except ConfigError as error:
        sys.exit("\n".join(error.problems))
    except OctorouteError as error:
        sys.exit(error.message)
