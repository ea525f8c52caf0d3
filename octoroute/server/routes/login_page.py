"""The page at which a browser signs in: it works without scripts, and loads nothing from elsewhere. Pure."""

from __future__ import annotations

import base64
import hashlib
from html import escape

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { display: grid; place-items: center; min-height: 90vh; margin: 0; }
main { width: min(24rem, 90vw); }
h1 { font-size: 1.4rem; }
label, input, button, a.button { display: block; width: 100%; box-sizing: border-box; font: inherit; }
input, button, a.button { padding: .6rem .8rem; margin: .4rem 0 1rem; border: 1px solid GrayText; border-radius: .4rem; }
button, a.button { cursor: pointer; font-weight: 600; text-align: center; text-decoration: none; color: inherit; }
[role=alert] { border-left: .25rem solid #c62828; padding-left: .8rem; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "referrer-policy": "same-origin",  # with no-referrer, browsers would send `origin: null` with the form
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def login_page(next_path: str, *, problem: str = "", single_sign_on: str = "") -> str:
    """`next_path`: where a browser that has signed in goes. `single_sign_on`: the address of the link; "": there is none."""
    link = f'<a class="button" href="{escape(single_sign_on)}">Sign in with single sign-on</a>' if single_sign_on else ""
    return _page(
        "Sign in",
        f"""{_alert(problem)}{link}
<form method="post">
<input type="hidden" name="next" value="{escape(next_path)}">
<label for="key">Key of an operator or viewer</label>
<input id="key" name="key" type="password" autocomplete="current-password" spellcheck="false" required autofocus>
<button>Sign in</button>
</form>
<details>
<summary>No key yet?</summary>
<p>Add one to the configuration, in the table [auth], and reload it:</p>
<pre>admin_keys = ["a long random text"]</pre>
</details>""",
    )


def logout_page() -> str:
    return _page("Sign out", '<form method="post"><button>Sign out</button></form>')


def _alert(problem: str) -> str:
    return f'<p role="alert">{escape(problem)}</p>' if problem else ""


def _page(title: str, content: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · octoroute</title>
<style>{_STYLE}</style>
<main>
<h1>octoroute</h1>
{content}
</main>
</html>
"""
