"""What a terminal shows, and in which colours."""

from pathlib import Path

from octoroute import __version__
from octoroute.cli.banner import MARKS, Pen, banner
from octoroute.config import loads

CONFIG = """
[server]
port = 8080
[auth]
keys = ["secret-key-1", "secret-key-2"]
[providers.main]
base_url = "http://h/v1"
api_key = "sk-secret"
[providers.spare]
base_url = "http://h2/v1"
[[models.fast]]
name = "small"
provider = "spare"
[[models.fast]]
name = "mini"
provider = "main"
priority = 5
[[models.balanced]]
name = "mid"
provider = "main"
[[models.deep]]
name = "large"
provider = "main"
model = "large-2026"
[[models.deep]]
name = "larger"
provider = "main"
"""

GOLDEN = f"""\
octoroute {__version__}
[main] Priority: 5
   BIG (OPUS): large-2026, larger
   MIDDLE (SONNET): mid
   SMALL (HAIKU): mini
[spare] Priority: 1
   SMALL (HAIKU): small
✓ 2 providers, 5 endpoints
ℹ address 127.0.0.1:8080, requests up to 33554432 bytes and 120 s, 3 attempts, client keys 2, admin keys off"""  # noqa: RUF001


def shown(text=CONFIG, *, colours=False, plain=False):
    return "\n".join(banner(loads(text, Path("config.toml"), {}), Pen(colours=colours, plain=plain)))


def test_a18_golden_without_colours():
    assert shown() == GOLDEN
    assert "secret" not in shown()


def test_a18_ascii_where_nothing_else_can_be_written():
    assert shown(plain=True).isascii()
    assert "+ 2 providers" in shown(plain=True)


def test_a18_warnings_stand_in_it():
    assert "⚠ server.host: other machines" in shown(
        '[server]\nhost = "0.0.0.0"\n[[models.fast]]\nname = "m"\nbase_url = "http://h/v1"'
    )


def test_a19_colours_of_the_banner():
    text = shown(colours=True)
    assert text.startswith("\x1b[1;96moctoroute")
    assert "\x1b[92m[spare]" in text  # the first in the file
    assert "\x1b[94m[main]" in text
    assert MARKS["healthy"][2] == "\x1b[92m"
    assert MARKS["warning"][2] == "\x1b[93m"
    assert MARKS["error"][2] == "\x1b[91m"
