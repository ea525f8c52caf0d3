"""What a text must look like to be a host, a URL, a header, or a name. Pure.

A check returns None, or what is wrong and what to do, as `wrong; remedy`. It never repeats the text: that may be a secret.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import urlsplit

from octoroute.upstream.providers import PROVIDERS, Provider

Check: TypeAlias = Callable[[str], str | None]

RESERVED = ("auto", "fast", "balanced", "deep")

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELD_VALUE = re.compile(r"[\x20-\x7e\t]*")
_VISIBLE = re.compile(r"[\x21-\x7e]*")
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?")
_URL_PATH = re.compile(r"(/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*")
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
_VERSION = re.compile(r"[A-Za-z0-9._-]+")

_WRITTEN_BY_THE_TRANSPORT = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade"}
    | {"proxy-connection", "proxy-authenticate", "proxy-authorization"}
)
"""They say where one message ends and the next begins, or belong to one connection: a second one is how requests are smuggled."""


def host(text: str) -> str | None:
    if text == "localhost":
        return None
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return 'must be an IP address or localhost; use "127.0.0.1", or "0.0.0.0" for every interface'
    return None


def is_loopback(host: str) -> bool:
    return host == "localhost" or ipaddress.ip_address(host).is_loopback


def base_url(text: str) -> str | None:
    try:
        url = urlsplit(text)
        name, port = url.hostname, url.port
    except ValueError:
        return "is not a URL that can be parsed; write it like http://127.0.0.1:11434/v1"
    if url.scheme not in {"http", "https"}:
        return "must start with http:// or https://; write it like http://127.0.0.1:11434/v1"
    if not _VISIBLE.fullmatch(text):
        return "holds a space or a character that URLs cannot hold; remove it, or write it as %20 and the like"
    if url.username is not None or url.password is not None:
        return "must not hold a user name or password; use api_key or headers for credentials"
    if "?" in text or "#" in text:
        return "must not hold a query (?) or fragment (#); write the API's root only"
    if not name:
        return "has no host; write it like http://127.0.0.1:11434/v1"
    if port == 0:
        return "has port 0, where nothing can listen; write the server's own port"
    if not _is_host(name, bracketed="[" in url.netloc):
        return "has a host that is no name and no IP address; write it like http://127.0.0.1:11434/v1"
    if not _URL_PATH.fullmatch(url.path):
        return "has a path with a character that must be written as %XX; write the API's root only"
    return None


def _is_host(name: str, *, bracketed: bool) -> bool:
    if bracketed:
        try:
            return ipaddress.ip_address(name).version == 6
        except ValueError:
            return False
    return _HOST_NAME.fullmatch(name) is not None


def proxy(text: str) -> str | None:
    """A blank one means: none."""
    if not text:
        return None
    try:
        url = urlsplit(text)
        right = (
            url.scheme == "http" and url.hostname and url.port != 0 and url.path in {"", "/"} and not (url.query or url.fragment)
        )
    except ValueError:
        right = False
    if not right or not _VISIBLE.fullmatch(text):
        return "is not the URL of an HTTP proxy; write it like http://10.0.0.1:3128"
    return None


def path(text: str) -> str | None:
    """A blank one means: none."""
    return None if text.isprintable() else "is not a path; write it like /etc/ssl/certs/our-ca.pem"


def pin(text: str) -> str | None:
    if pin_of(text) is None:
        return "is not a SHA-256 in hex; take it from `openssl x509 -in cert.pem -noout -fingerprint -sha256`"
    return None


def pin_of(text: str) -> bytes | None:
    """The 32 bytes of a digest in hex, with or without colons; None: it is none."""
    digits = text.strip().replace(":", "")
    return bytes.fromhex(digits) if _SHA256.fullmatch(digits) else None


def header_name(text: str) -> str | None:
    if not _TOKEN.fullmatch(text):
        return "is not a valid HTTP header name; use letters, digits, and hyphens"
    if text.lower() in _WRITTEN_BY_THE_TRANSPORT:
        return "is written by octoroute itself; remove it"
    return None


def is_credential(header: str, kind: str) -> bool:
    """It would be sent in place of the api_key."""
    provider = PROVIDERS.get(kind)  # a plug-in is not loaded to read the configuration
    return header.lower() in (Provider if provider is None else provider).credential_headers


def header_value(text: str) -> str | None:
    if not _FIELD_VALUE.fullmatch(text) or text != text.strip():
        return "is not a valid HTTP header value; use ASCII without line breaks, control characters, or spaces at the ends"
    return None


def credential(text: str) -> str | None:
    """A blank one means: no key."""
    if not _VISIBLE.fullmatch(text):
        return "holds a space, a line break, or a character outside ASCII; check that the key was copied whole and alone"
    return None


def client_key(text: str) -> str | None:
    if not text.strip():
        return "must not be blank, or anybody could come in; set it, or remove it"
    return credential(text)


def version(text: str) -> str | None:
    return None if _VERSION.fullmatch(text) else "is not an API version; write it like 2024-10-21"


def label(text: str) -> str | None:
    if not text.strip():
        return "must not be blank; give it a name"
    if text != text.strip():
        return "must not begin or end with spaces; remove them"
    if not text.isprintable():
        return "holds a control character; remove it"
    return None


def model_name(text: str) -> str | None:
    if text.strip().lower() in RESERVED:
        return f"is a word that clients route with ({', '.join(RESERVED)}); choose another name"
    return label(text)


def endpoint_id(text: str) -> str | None:
    if text.strip() and not _VISIBLE.fullmatch(text.strip()):
        return "must be ASCII without spaces, because it is sent in a response header; choose another id"
    return model_name(text)


def message(text: str) -> str | None:
    """Goes out to clients."""
    if not text.strip():
        return "must not be blank; say to the client why"
    return "is longer than 1000 characters; shorten it" if len(text) > 1000 else None


def description(text: str) -> str | None:
    if not text.strip():
        return "must not be blank; say in a few words what the tier is for, or remove it for the default"
    if any("\ud800" <= char <= "\udfff" for char in text):
        return "holds half a character, which cannot be sent; write it anew"
    if len(text) > 1000:
        return "is longer than 1000 characters, and is sent with every routing question; shorten it"
    return None


def file_stem(text: str) -> str | None:
    return None if _VERSION.fullmatch(text) and text[0] not in ".-" else "is not a file name; use letters, digits, - and _"


def pattern(text: str) -> str | None:
    try:
        found = re.compile(text)
    except re.error as error:
        return f"is not a regular expression: {error.msg}; correct it, and write it in 'single quotes'"
    return "matches nothing at all, that is, everywhere; say what to redact" if found.match("") else None
