"""Checks of strings of the configuration: hosts, URLs, headers, keys, and names. Pure.

Each public function of one text is an `option.Check`.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime
from urllib.parse import urlsplit

from octoroute.domain import text_check
from octoroute.routing.aliases import MAX_NAME_CHARS
from octoroute.upstream.providers import PROVIDERS, Provider

RESERVED = ("auto", "fast", "balanced", "deep")

_FIELD_VALUE = re.compile(r"[\x20-\x7e\t]*")
_VISIBLE = re.compile(r"[\x21-\x7e]*")
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?")
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(:[0-9]{1,5})?")
_URL_PATH = re.compile(r"(/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*")
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
_VERSION = re.compile(r"[A-Za-z0-9._-]+")
_NUMBERED_KEY = re.compile(r"(key|admin)-[0-9]+")
_CLIENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def host(text: str) -> str | None:
    if text == "localhost":
        return None
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return 'must be an IP address or localhost; use "127.0.0.1", or "0.0.0.0" for every interface'
    return None


def host_header(text: str) -> str | None:
    """A blank value means none."""
    name, colon, port = text.partition(":")
    if text and (
        not _HOST_NAME.fullmatch(name) or (colon and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536))
    ):
        return "is not a valid host; write a name, and perhaps a port, like qwen.team.example.com"
    return None


def is_loopback(host: str) -> bool:
    return host == "localhost" or ipaddress.ip_address(host).is_loopback


def root_path(text: str) -> str | None:
    """A blank value means none."""
    if not text or (text[0] == "/" and "//" not in text and _URL_PATH.fullmatch(text)):
        return None
    return 'is not the path of a URL; write it like "/llm"'


def origin(text: str) -> str | None:
    """An origin as browsers send it (RFC 6454): scheme, host, and a port that is not the scheme's own; or `*`."""
    if text == "*" or _ORIGIN.fullmatch(text):
        return None
    if text.lower() == "null":
        return 'would let in every page that hides where it comes from; use "*" if every page may use the gateway'
    return 'is not an origin: scheme, host, and port, without a path; write it like "https://chat.example.com"'


def allowed_host(text: str) -> str | None:
    if text == "*" or _HOST_NAME.fullmatch(text) or _is_host(text, bracketed=True):
        return None
    return 'is not a host name; write only the name, without a port, like "octoroute"'


def base_url(text: str) -> str | None:
    try:
        url = urlsplit(text)
        name, port = url.hostname, url.port
    except ValueError:
        return "is not a valid URL; write it like http://127.0.0.1:11434/v1"
    if url.scheme not in {"http", "https"}:
        return "must start with http:// or https://; write it like http://127.0.0.1:11434/v1"
    if not _VISIBLE.fullmatch(text):
        return "contains a space or another character that URLs do not allow; remove it, or percent-encode it"
    if url.username is not None or url.password is not None:
        return "must not contain a user name or password; use api_key or headers for credentials"
    if "?" in text or "#" in text:
        return "must not contain a query (?) or fragment (#); write only the root URL of the API"
    if not name:
        return "has no host; write it like http://127.0.0.1:11434/v1"
    if port == 0:
        return "has port 0; write the port of the server"
    if not _is_host(name, bracketed="[" in url.netloc):
        return "has a host that is neither a valid name nor an IP address; write it like http://127.0.0.1:11434/v1"
    if not _URL_PATH.fullmatch(url.path):
        return "has a path with a character that must be percent-encoded; write only the root URL of the API"
    return None


def _is_host(name: str, *, bracketed: bool) -> bool:
    if bracketed:
        try:
            return ipaddress.ip_address(name).version == 6
        except ValueError:
            return False
    return _HOST_NAME.fullmatch(name) is not None


def optional_url(text: str) -> str | None:
    """A blank value means none."""
    return base_url(text) if text else None


def optional_label(text: str) -> str | None:
    """A blank value means none."""
    return text_check.label(text) if text else None


def proxy(text: str) -> str | None:
    """A blank value means none."""
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
        return "is not a valid URL of an HTTP proxy; write it like http://10.0.0.1:3128"
    return None


def store_url(text: str) -> str | None:
    """A blank value means SQLite in the state directory."""
    kind, _, rest = text.partition("://")
    try:
        urlsplit(text)
    except ValueError:
        rest = ""
    sqlite = kind == "sqlite" and len(rest) > 1 and rest.startswith("/")
    postgresql = kind in {"postgresql", "postgres"} and bool(rest)
    if text in {"", "none"} or (text.isprintable() and (sqlite or postgresql)):
        return None
    return "is not a store; write sqlite:///FILE, postgresql://USER:PASSWORD@HOST/DATABASE, none, or nothing"


def path(text: str) -> str | None:
    """A blank value means none."""
    return None if text.isprintable() else "is not a valid path; write it like /etc/ssl/certs/our-ca.pem"


def pin(text: str) -> str | None:
    if pin_of(text) is None:
        return "is not a SHA-256 fingerprint in hex; get it with `openssl x509 -in cert.pem -noout -fingerprint -sha256`"
    return None


def pin_of(text: str) -> bytes | None:
    """The 32 bytes of a SHA-256 in hex, with or without colons; None if `text` is not one."""
    digits = text.strip().replace(":", "")
    return bytes.fromhex(digits) if _SHA256.fullmatch(digits) else None


def is_credential(header: str, kind: str) -> bool:
    """True if the header would be sent instead of the api_key."""
    provider = PROVIDERS.get(kind)  # plug-ins are not loaded to read the configuration
    return header.lower() in (Provider if provider is None else provider).credential_headers


def header_value(text: str) -> str | None:
    if not _FIELD_VALUE.fullmatch(text) or text != text.strip():
        return "is not a valid HTTP header value; use ASCII without line breaks, control characters, or spaces at the ends"
    return None


def credential(text: str) -> str | None:
    """A blank value means no key."""
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'`":
        return "is in quotation marks, which would be sent, too; remove them (`docker run --env-file` keeps those of the file)"
    if not _VISIBLE.fullmatch(text):
        return "contains a space, a line break, or a character outside ASCII; copy the key again, without anything else"
    return None


def client_key(text: str) -> str | None:
    if not text.strip():
        return "must not be blank, because a blank key protects nothing; set it, or remove it"
    return credential(text)


def client_name(text: str) -> str | None:
    if _NUMBERED_KEY.fullmatch(text):
        return "is the kind of name that keys without one have (key-1, admin-1); choose another name"
    if not _CLIENT_NAME.fullmatch(text):
        return "is not a valid name; begin with a letter or digit, then use up to 63 letters, digits, dots, @, -, and _"
    return None


def key_digest(text: str) -> str | None:
    """A blank value means none."""
    if text and not _SHA256.fullmatch(text):
        return 'is not a SHA-256 in hex; make it with `printf %s "$KEY" | sha256sum`'
    return None


def timestamp(text: str) -> str | None:
    """A blank value means none."""
    wrong = 'is not a time of RFC 3339; write it like "2027-01-31T00:00:00Z"'
    if not text:
        return None
    try:
        return None if datetime.fromisoformat(text).tzinfo is not None else wrong
    except ValueError:
        return wrong


def region_name(text: str) -> str | None:
    return region(text) if text else "must not be blank; write a region like eu, or remove it"


def region(text: str) -> str | None:
    """A blank value means none."""
    return text_check.region_word(text) if text else None


def version(text: str) -> str | None:
    return None if _VERSION.fullmatch(text) else "is not a valid API version; write it like 2024-10-21"


def model_name(text: str) -> str | None:
    if text.strip().lower() in RESERVED:
        return f"is a reserved routing word ({', '.join(RESERVED)}); choose another name"
    return text_check.label(text)


def alias(text: str) -> str | None:
    """A name, or a glob of names, that clients send."""
    if len(text) > MAX_NAME_CHARS:
        return f"is longer than {MAX_NAME_CHARS} characters, and no longer name is looked up; shorten it"
    return model_name(text)


def endpoint_id(text: str) -> str | None:
    if text.strip() and not _VISIBLE.fullmatch(text.strip()):
        return "must be ASCII without spaces, because it is sent in a response header; choose another id"
    return model_name(text)


def description(text: str) -> str | None:
    if not text.strip():
        return "must not be blank; describe in a few words what the tier is for, or remove it to get the default"
    if any("\ud800" <= char <= "\udfff" for char in text):
        return "contains an unpaired surrogate, which cannot be sent; type the text again"
    if len(text) > 1000:
        return "is longer than 1000 characters, and every routing request contains it; shorten it"
    return None


def file_stem(text: str) -> str | None:
    return None if _VERSION.fullmatch(text) and text[0] not in ".-" else "is not a valid file name; use letters, digits, - and _"


def pattern(text: str) -> str | None:
    try:
        found = re.compile(text)
    except re.error as error:
        return f"is not a regular expression: {error.msg}; correct it, and write it in 'single quotes'"
    return (
        "matches the empty string, and therefore any text; write a pattern for what must be redacted" if found.match("") else None
    )


def shared_url(url: str) -> str | None:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"redis", "rediss", "postgresql", "postgres", "sqlite"} or not rest:
        return "is no address of a shared store; use redis://HOST:PORT/0, postgresql://HOST/DATABASE, or sqlite:///FILE"
    if scheme == "sqlite" and not rest.startswith("/"):
        return "has no file; write sqlite:///FILE, or sqlite:////ABSOLUTE/FILE"
    return None
