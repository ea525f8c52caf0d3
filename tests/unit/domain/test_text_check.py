import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.domain import text_check

CHECKS = (text_check.label, text_check.header_name, text_check.message)


@given(st.text())
def test_no_check_repeats_the_text_or_fails(text):
    for check in CHECKS:
        wrong = check(f"s3cret{text}")
        assert wrong is None or ("s3cret" not in wrong and "; " in wrong)


@pytest.mark.parametrize("name", ["Host", "CONTENT-LENGTH", "transfer-encoding", "Connection"])
def test_headers_that_frame_messages_are_not_the_users(name):
    assert "octoroute itself" in text_check.header_name(name)


@pytest.mark.parametrize("name", ["", "two words", "X:Y", "größe", "a\n"])
def test_what_is_no_header_name(name):
    assert "HTTP header name" in text_check.header_name(name)


@pytest.mark.parametrize(
    ("text", "word"), [("", "blank"), (" \t", "blank"), (" a", "spaces"), ("a\n", "spaces"), ("a\x00b", "control")]
)
def test_what_is_no_label(text, word):
    assert word in text_check.label(text)


def test_a_label_may_be_in_any_script():
    assert text_check.label("größer 大きい") is None


def test_a_message_is_neither_blank_nor_longer_than_1000_characters():
    assert text_check.message("not here") is None
    assert text_check.message("x" * 1000) is None
    assert "blank" in text_check.message(" \n")
    assert "1000" in text_check.message("x" * 1001)
