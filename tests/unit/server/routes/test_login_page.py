from __future__ import annotations

from octoroute.server.routes.login_page import HEADERS, login_page


def test_nothing_that_is_shown_is_markup():
    page = login_page('/"><script>', problem="<b>no</b>", single_sign_on='/x"y')
    assert "<script" not in page
    assert "<b>" not in page
    assert 'href="/x&quot;y"' in page


def test_the_page_may_load_nothing_and_be_framed_by_no_page():
    policy = HEADERS["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert HEADERS["referrer-policy"] == "same-origin"
