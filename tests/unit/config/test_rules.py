"""What a text must look like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.config import rules


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:11434/v1",
        "https://api.openai.com",
        "http://[::1]:8080/v1",
        "http://gpu_box.lan:1/api/v1/",
        "https://x.azure.com/openai%20x/~a",
        "HTTP://localhost/",
        "http://host:80",
    ],
)
def test_addresses(url):
    assert rules.base_url(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:11434/v1",
        "ftp://h/v1",
        "http://",
        "http:///v1",
        "http://:80/v1",
        "http://h:0/v1",
        "http://h:70000/v1",
        "http://h:x/v1",
        "http://[::1/v1",
        "http://[h]/v1",
        "http://[127.0.0.1]/v1",
        "http://a b/v1",
        "http://h/v 1",
        "http://h/v1\n",
        " http://h/v1",
        "http://h/v1?",
        "http://h/v1#",
        "http://u@h/v1",
        "http://:p@h/v1",
        "http://@h/v1",
        "http://-h/v1",
        "http://h..x/v1",
        "http://<host>/v1",
        "http://höst/v1",
        "http://h/v1/{x}",
        "http://h/%zz",
        "http://h\\x/v1",
        "http://h,x/v1",
    ],
)
def test_what_is_no_address(url):
    wrong, remedy = rules.base_url(url).split("; ")
    assert wrong
    assert remedy


@given(st.text())
def test_no_check_repeats_the_text_or_fails(text):
    marked = f"s3cret{text}"
    for check in (
        rules.host,
        rules.base_url,
        rules.header_value,
        rules.credential,
        rules.client_key,
        rules.version,
        rules.model_name,
        rules.endpoint_id,
        rules.description,
    ):
        wrong = check(marked)
        assert wrong is None or ("s3cret" not in wrong and "; " in wrong)


@given(st.text(st.characters(max_codepoint=127)))
def test_a_header_value_cannot_end_its_line(text):
    if rules.header_value(text) is None:
        assert text.isprintable() or "\t" in text
        assert "\r" not in text
        assert "\n" not in text


def test_descriptions_can_be_sent():
    assert rules.description("größer — 大きい\nmodel") is None
    for text in ("", " \n", "\ud800", "x" * 1001):
        assert rules.description(text)


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (rules.root_path, ["", "/llm", "/a/b-c", "/llm/", "/%C3%A4"], ["llm", "/a//b", "/a b", "/a?b", "//", "http://a/b"]),
        (
            rules.origin,
            ["*", "https://a.example", "http://localhost:5173", "app://obsidian.md", "http://[::1]:80", "tauri://localhost"],
            [
                "",
                "a.example",
                "https://a.example/",
                "https://a.example/x",
                "https://*",
                "null",
                "https://a b",
                "//a",
                "https://u@a",
            ],
        ),
        (
            rules.allowed_host,
            ["*", "octoroute", "gw.corp.example", "host.docker.internal", "10.0.0.5", "fd00::1"],
            ["", "a:80", "http://a", "a/b", "*.a", "a b", "[::1]"],
        ),
    ],
)
def test_what_the_front_of_the_server_takes(check, right, wrong):
    assert [text for text in right if check(text) is not None] == []
    assert [text for text in wrong if check(text) is None] == []


@pytest.mark.parametrize("text", ["", "a", "qwen.team.example.com", "h:1", "h:65535", "a-b_c.d", "10.0.0.1", "10.0.0.1:80"])
def test_o23_what_is_a_host(text):
    assert rules.host_header(text) is None


@pytest.mark.parametrize(
    "text", [" ", "a b", "http://h", "h/", "h:", "h:0", "h:65536", "h:x", "h:1:2", "h\r\nX: y", "-", "a..b", "h:99999999999999"]
)
def test_o23_what_is_no_host(text):
    assert rules.host_header(text)
