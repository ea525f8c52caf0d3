"""AWS Signature Version 4 of one request, with the signature in the `authorization` header. Pure.

Source: AWS, "Create a signed AWS API request". The path is encoded once more than it is sent, as for every service but S3.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime
from urllib.parse import parse_qsl, quote, urlsplit

from octoroute.domain.endpoint import SigningKey
from octoroute.upstream.providers.base import Headers

ALGORITHM = "AWS4-HMAC-SHA256"
_UNSIGNED = frozenset(
    {
        "authorization",
        "connection",
        "expect",
        "transfer-encoding",
        "user-agent",
        "x-amz-date",
        "x-amz-security-token",
        "x-amzn-trace-id",
    }
)
"""Headers that proxies change, or that the signature itself sets."""
_BLANKS = re.compile(r"[ \t]+")


def sign(
    key: SigningKey,
    *,
    region: str,
    service: str,
    method: str,
    url: str,
    headers: Headers,
    body: bytes,
    now: datetime,
    host: str = "",
) -> Headers:
    """The headers to add: `x-amz-date`, `authorization`, and the session token if the key has one.

    `headers`: of the request, each is signed; `now`: in UTC; `host`: the Host header, where it is not that of `url`.
    """
    date = now.strftime("%Y%m%dT%H%M%SZ")
    parts = urlsplit(url)
    added: Headers = (("x-amz-date", date),)
    if key.session_token is not None:
        added = (*added, ("x-amz-security-token", key.session_token.reveal()))
    signed = _joined((("host", host or parts.netloc), *headers, *added))
    names = ";".join(signed)
    canonical = "\n".join(
        (
            method,
            _canonical_path(parts.path),
            _canonical_query(parts.query),
            "".join(f"{name}:{value}\n" for name, value in signed.items()),
            names,
            hashlib.sha256(body).hexdigest(),
        )
    )
    scope = f"{date[:8]}/{region}/{service}/aws4_request"
    text = f"{ALGORITHM}\n{date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    secret = b"AWS4" + key.secret.reveal().encode()
    for part in (date[:8], region, service, "aws4_request"):
        secret = hmac.digest(secret, part.encode(), "sha256")
    signature = hmac.digest(secret, text.encode(), "sha256").hex()
    return (*added, ("authorization", f"{ALGORITHM} Credential={key.id}/{scope}, SignedHeaders={names}, Signature={signature}"))


def _joined(headers: Headers) -> dict[str, str]:
    """By name in lower case, sorted; the values of one name are joined, and runs of blanks become one."""
    values: dict[str, list[str]] = {}
    added = {"x-amz-date": 0, "x-amz-security-token": 0}
    for name, value in reversed(headers):
        lower = name.lower()
        if lower in added:
            added[lower] += 1
            if added[lower] > 1:  # a configured one, which the signature's own replaces
                continue
        elif lower in _UNSIGNED:
            continue
        values.setdefault(lower, []).insert(0, _BLANKS.sub(" ", value.strip()))
    return {name: ",".join(values[name]) for name in sorted(values)}


def _canonical_path(path: str) -> str:
    """The path without dot segments and doubled slashes, each byte but unreserved ones and the slash encoded."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in {"", "."}:
            segments.append(segment)
    ends = "/" if segments and path.endswith("/") else ""
    return quote("/" + "/".join(segments) + ends, safe="/-_.~")


def _canonical_query(query: str) -> str:
    pairs = [(quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in parse_qsl(query, keep_blank_values=True)]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))
