"""The clients: how each is told the gateway's address, how it is started without a person, and with which of its tools it reads a file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.clients.chain import PROMPT
from tests.support.vendors import Asked, Says

HERE = Path(__file__).parent
KEY = "not-needed"


@dataclass
class Place:
    """Where one run happens: an empty home, a folder with the files of the task, and the gateway's address."""

    url: str
    home: Path
    programs: Path
    """The installed clients; see install.sh."""
    task: str = PROMPT
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def work(self) -> Path:
        return self.home / "work"

    def npm(self, program: str) -> str:
        return str(self.programs / "node" / "node_modules" / ".bin" / program)

    def python(self, program: str) -> str:
        return str(self.programs / "requirements" / "bin" / program)

    def script(self, name: str, *arguments: str) -> list[str]:
        """A program of this folder, copied beside the packages that it imports."""
        into = self.programs / ("node" if name.endswith(".mjs") else "requirements") / name
        into.write_bytes((HERE / name).read_bytes())
        runner = "node" if name.endswith(".mjs") else self.python("python")
        return [runner, str(into), *arguments]

    def write(self, path: str, text: str) -> Path:
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file


Model = Callable[[Asked], Says]


@dataclass(frozen=True)
class Client:
    name: str
    package: str
    """As package-lock.json or requirements.txt names it."""
    dialect: str
    """What it speaks to the gateway."""
    command: Callable[[Place], list[str]]
    read: Callable[[Place], Callable[[str], tuple[str, Mapping[str, Any]]]]
    """The tool that reads a file, and its arguments."""
    finish: Callable[[str], tuple[str, Mapping[str, Any]]] | None = None
    lock: str = "node"

    @property
    def id(self) -> str:
        return f"{self.name} ({self.dialect})" if self.name in _SEVERAL else self.name


def _claude(place: Place, *more: str) -> list[str]:
    place.environment |= {
        "ANTHROPIC_BASE_URL": place.url,
        "ANTHROPIC_AUTH_TOKEN": KEY,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    return [place.npm("claude"), "-p", place.task, "--model", "claude-octoroute-auto", *more]


def _codex(place: Place, *more: str) -> list[str]:
    lines = (
        'model = "auto"',
        'model_provider = "octoroute"',
        "[model_providers.octoroute]",
        'name = "octoroute"',
        f'base_url = "{place.url}/v1"',
        'wire_api = "responses"',
    )
    if not (place.home / ".codex/config.toml").exists():
        place.write(".codex/config.toml", "\n".join(lines) + "\n")
    return [place.npm("codex"), "exec", "--skip-git-repo-check", *more, place.task]


def _gemini(place: Place) -> list[str]:
    place.environment |= {"GOOGLE_GEMINI_BASE_URL": place.url, "GEMINI_API_KEY": KEY, "GEMINI_CLI_TRUST_WORKSPACE": "true"}
    place.write(".gemini/settings.json", json.dumps({"security": {"auth": {"selectedType": "gemini-api-key"}}}))
    return [place.npm("gemini"), "-p", place.task, "--yolo", "-m", "auto"]


def _opencode(package: str, path: str) -> Callable[[Place], list[str]]:
    def command(place: Place) -> list[str]:
        options = {"baseURL": place.url + path, "apiKey": KEY}
        provider = {"npm": package, "name": "octoroute", "options": options, "models": {"auto": {"name": "auto"}}}
        place.write(".config/opencode/opencode.json", json.dumps({"provider": {"octoroute": provider}}))
        return [place.npm("opencode"), "run", "--model", "octoroute/auto", place.task]

    return command


def _cline(place: Place) -> list[str]:
    sign_in = f"{place.npm('cline')} auth openai-compatible -k {KEY} -m auto -b {place.url}/v1"
    return ["sh", "-c", f'{sign_in} && exec {place.npm("cline")} -y "$1"', "sh", place.task]


def _continue(place: Place) -> list[str]:
    model = {"name": "auto", "provider": "openai", "model": "auto", "apiBase": place.url + "/v1", "apiKey": KEY, "roles": ["chat"]}
    file = place.write("continue.yaml", json.dumps({"name": "octoroute", "version": "0.0.1", "schema": "v1", "models": [model]}))
    return [place.npm("cn"), "-p", place.task, "--config", str(file), "--auto"]


def _llm(place: Place) -> list[str]:
    row = {"model_id": "auto", "model_name": "auto", "api_base": place.url + "/v1", "supports_tools": True}
    place.write(".config/io.datasette.llm/extra-openai-models.yaml", json.dumps([row]))
    tool = 'def read_file(path: str) -> str:\n    "Read a file."\n    return open(path).read()'
    return [place.python("llm"), "-m", "auto", "--key", KEY, "--functions", tool, place.task]


def aider(place: Place) -> list[str]:
    place.environment |= {"OPENAI_API_BASE": place.url + "/v1", "OPENAI_API_KEY": KEY}
    quiet = [
        "--no-gitignore",
        "--no-auto-commits",
        "--no-check-update",
        "--no-show-model-warnings",
        "--analytics-disable",
        "--no-show-release-notes",
    ]
    return [place.python("aider"), "--model", "openai/auto", "--yes-always", *quiet, "--message", place.task, "first.txt"]


def _script(name: str, *arguments: str) -> Callable[[Place], list[str]]:
    def command(place: Place) -> list[str]:
        place.environment |= {"GATEWAY": place.url, "PROMPT": place.task}
        return place.script(name, *arguments)

    return command


def _by(tool: str, argument: str, *, whole_path: bool = False) -> Callable[[Place], Callable[[str], tuple[str, Mapping[str, Any]]]]:
    return lambda place: lambda file: (tool, {argument: str(place.work / file) if whole_path else file})


def _submit(said: str) -> tuple[str, Mapping[str, Any]]:
    return "submit_and_exit", {"summary": said, "verified": True}


def _several_files(place: Place) -> Callable[[str], tuple[str, Mapping[str, Any]]]:
    return lambda file: ("read_files", {"files": [{"path": str(place.work / file)}]})


_READ = _by("read_file", "path")
CLIENTS: tuple[Client, ...] = (
    Client("Claude Code", "@anthropic-ai/claude-code", "Messages", _claude, _by("Read", "file_path", whole_path=True)),
    Client("Codex", "@openai/codex", "Responses", _codex, lambda _: lambda file: ("exec_command", {"cmd": f"cat {file}"})),
    Client("Gemini CLI", "@google/gemini-cli", "Gemini", _gemini, _by("read_file", "file_path")),
    *(
        Client("opencode", "opencode-ai", dialect, _opencode(package, path), _by("read", "filePath", whole_path=True))
        for dialect, package, path in (
            ("Chat Completions", "@ai-sdk/openai-compatible", "/v1"),
            ("Messages", "@ai-sdk/anthropic", "/v1"),
            ("Responses", "@ai-sdk/openai", "/v1"),
        )
    ),
    Client("Cline", "cline", "Chat Completions", _cline, _several_files, _submit),
    Client("Continue", "@continuedev/cli", "Chat Completions", _continue, _by("Read", "filepath")),
    Client("llm", "llm", "Chat Completions", _llm, _READ, lock="requirements"),
    *(
        Client(
            f"AI SDK {version}", "ai" if version == "7" else f"ai{version}", dialect, _script("ai_sdk.mjs", version, package), _READ
        )
        for version in ("5", "6", "7")
        for dialect, package in (("Responses", "openai"), ("Chat Completions", "compatible"), ("Messages", "anthropic"))
    ),
    *(
        Client("OpenAI SDK, Node", "openai", dialect, _script("openai_sdk.mjs", way), _READ)
        for dialect, way in (("Chat Completions", "chat"), ("Responses", "responses"))
    ),
    Client("Anthropic SDK, Node", "@anthropic-ai/sdk", "Messages", _script("anthropic_sdk.mjs"), _READ),
    Client("Ollama's client, Node", "ollama", "Ollama", _script("ollama_client.mjs"), _READ),
    Client("Ollama's client, Python", "ollama", "Ollama", _script("ollama_client.py"), _READ, lock="requirements"),
)
AIDER = Client("aider", "aider-chat", "Chat Completions", aider, _READ, lock="requirements")
"""It reads and edits by what the model writes, without tools, and so has a test of its own."""
_SEVERAL = {client.name for client in CLIENTS if sum(other.name == client.name for other in CLIENTS) > 1}


def environment_of(place: Place) -> dict[str, str]:
    """Nothing of the machine's but the search path, so that no client finds keys, a proxy, or a configuration."""
    return {
        "HOME": str(place.home),
        "PATH": os.environ["PATH"],
        "TERM": "dumb",
        "NO_COLOR": "1",
        "LANG": "C.UTF-8",
        "DISABLE_TELEMETRY": "1",
        **place.environment,
    }
