"""What the tour draws fits the terminal, or the lack of one."""

import io

import pytest

from octoroute.cli.demo.screen import Screen


class Out(io.TextIOWrapper):
    def __init__(self, *, tty: bool, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding)
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty

    @property
    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


@pytest.mark.parametrize(
    ("tty", "env", "coloured"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (True, {"TERM": "dumb"}, False),
        (False, {}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colour_where_it_is_wanted(tty, env, coloured):
    assert ("\x1b[" in Screen(Out(tty=tty), env).paint("word", "bad")) is coloured


def test_words_are_wrapped_behind_their_margin():
    out = Out(tty=False)
    screen = Screen(out, {})
    screen.width = 20
    screen.begin("  │ ", "bold")
    for word in ("one", " two", " three", " four", " five", " six"):
        screen.word(word, "bold")
    screen.end()
    assert out.text == "  │ one two three\n  │ four five six\n"


def test_a_word_longer_than_the_line_is_not_an_endless_loop():
    out = Out(tty=False)
    screen = Screen(out, {})
    screen.width = 10
    screen.begin("| ", "bold")
    screen.word("x" * 50)
    assert out.text == "| " + "x" * 50


def test_an_encoding_without_arrows_gets_plain_signs():
    out = Out(tty=True, encoding="ascii")
    screen = Screen(out, {"NO_COLOR": "1"})
    screen.line("auto ─▶ fast ✓")
    assert out.text == "auto -> fast +\n"
