"""The requests on a connection: HTTP/1.1 parsed with httptools, with limits for what the parser does not limit."""

from __future__ import annotations

import re
from typing import Protocol

import httptools

from octoroute.errors import BadRequest, ClientError, HeadersTooLarge
from octoroute.server.guard import MAX_HEADER_BYTES
from octoroute.server.http1.exchange import ServerExchange
from octoroute.server.http1.web_socket import upgrade_required

MAX_TARGET_BYTES = 16 * 1024
_MAX_HEAD_BYTES = 2 * MAX_HEADER_BYTES
_VERSIONS = ("1.1", "1.0")
_ORIGIN = re.compile(rb"^origin:[ \t]*([^\r\n]*)\r?\n", re.IGNORECASE | re.MULTILINE)


class RequestConsumer(Protocol):
    """The connection that the requests arrive on."""

    waited_s: int
    """Seconds since the client last made progress."""

    def begin_request(
        self, method: str, version: str, url: bytes, headers: list[tuple[bytes, bytes]], *, keep_alive: bool
    ) -> ServerExchange:
        """Take a request whose headers are complete; its body follows. Raises httptools.HttpParserError for an invalid URL."""
        ...

    def begin_socket(self, url: bytes, headers: list[tuple[bytes, bytes]], rest: bytes) -> None:
        """Take the connection: this request asks for a WebSocket, and `rest` follows it. Nothing more is parsed."""
        ...


class RequestParser:
    """Parses the requests of one connection, and passes each on as soon as its headers are complete."""

    __slots__ = (
        "_asks_for_socket",
        "_consumer",
        "_declined",
        "_parser",
        "_unfinished_bytes",
        "_url",
        "headers",
        "in_head",
        "receiving",
    )

    def __init__(self, consumer: RequestConsumer) -> None:
        self._consumer = consumer
        self._parser = self._new_parser()
        self._declined = b""
        """The head of a request with an `upgrade` field, without that field; empty: there was none."""
        self._asks_for_socket = False
        """The request is the handshake of a WebSocket."""
        self._unfinished_bytes = 0
        """Bytes of a head, or around the chunks of a body, that have led to no callback, so that no other limit covers them."""
        self._url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        """Of the last request whose head has begun, as far as they have arrived."""
        self.in_head = False
        """A head has started and is not complete."""
        self.receiving: ServerExchange | None = None
        """The request whose body is arriving; None: none is."""

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)  # otherwise data after the last request loses its response
        return parser

    def feed(self, data: bytes) -> None:
        """Raises BadRequest and HeadersTooLarge.

        httptools assumes that an offer of another protocol (`upgrade`) is always accepted, and skips the body. Such a request is
        therefore parsed a second time without the offer.
        """
        self._unfinished_bytes += len(data)
        while data:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                if self._asks_for_socket:
                    self._consumer.begin_socket(self._url, self.headers, data[offer.args[0] :])
                    return
                data = self._declined + data[offer.args[0] :] if self._declined else b""
                self._declined = b""
                self._parser = self._new_parser()
            except httptools.HttpParserError as error:
                if isinstance(error.__context__, ClientError):  # of a callback
                    raise error.__context__ from None
                if self.in_head:
                    self._find_origin(data)
                raise BadRequest("the request is not valid HTTP/1.1") from None
            else:
                break
        if self._unfinished_bytes > _MAX_HEAD_BYTES:
            raise HeadersTooLarge(f"the request headers exceed {_MAX_HEAD_BYTES} bytes")

    def _find_origin(self, data: bytes) -> None:
        """Add the Origin of a head that is not valid: httptools reports a field only once the next one has begun."""
        if match := _ORIGIN.search(data):
            self.headers.append((b"origin", match[1].rstrip(b" \t")))

    def close(self) -> None:
        """Break the reference cycles with httptools and the connection, so that no garbage collection is needed."""
        del self._parser, self._consumer
        self.receiving = None

    # callbacks of httptools

    def on_message_begin(self) -> None:
        self.in_head = True
        self._consumer.waited_s = self._unfinished_bytes = 0
        self._url = b""
        self.headers = []

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > MAX_TARGET_BYTES:
            raise HeadersTooLarge(f"the request target exceeds {MAX_TARGET_BYTES} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.in_head:  # a field after the body is a trailer, which no check covers
            self.headers.append((name.lower(), value.rstrip(b" \t")))  # httptools leaves white space after the value

    def on_headers_complete(self) -> None:
        self.in_head = False
        self._consumer.waited_s = self._unfinished_bytes = 0
        parser = self._parser
        version = parser.get_http_version()
        if version not in _VERSIONS:
            raise BadRequest(f"HTTP/{version} is not spoken here; send HTTP/1.1")
        method = parser.get_method().decode("ascii")
        if parser.should_upgrade() and method != "CONNECT":
            self._asks_for_socket = method == "GET" and version == "1.1" and self._offers_socket()
            if not self._asks_for_socket:
                self._declined = self._head_without_offer(method, version)
            return
        keep_alive = version != "1.0" and method != "CONNECT" and parser.should_keep_alive()
        self.receiving = self._consumer.begin_request(method, version, self._url, self.headers, keep_alive=keep_alive)

    def _offers_socket(self) -> bool:
        """Whether the request asks for a WebSocket. Raises BadRequest (426) if it has a body, which would be read as frames."""
        headers = dict(self.headers)
        if headers.get(b"upgrade", b"").lower() != b"websocket":
            return False
        if b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0":
            raise upgrade_required("a request that asks for a WebSocket has no body; send a plain request")
        return True

    def _head_without_offer(self, method: str, version: str) -> bytes:
        lines = [b"%b: %b\r\n" % field for field in self.headers if field[0] != b"upgrade"]
        return b"%b %b HTTP/%b\r\n%b\r\n" % (method.encode(), self._url, version.encode(), b"".join(lines))

    def on_body(self, body: bytes) -> None:
        self._consumer.waited_s = self._unfinished_bytes = 0
        receiving = self.receiving
        if receiving is not None and not receiving.complete:
            receiving.request_body.feed(body)

    def on_message_complete(self) -> None:
        if self.receiving is not None:
            self.receiving.request_body.finish()
            self.receiving = None
