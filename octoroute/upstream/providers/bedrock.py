"""Amazon Bedrock: a signature for each request, or a Bedrock API key as a bearer token. Pure but for the date in the signature."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from octoroute.domain.endpoint import Endpoint
from octoroute.upstream.providers.base import Headers, Provider, SettingProblem
from octoroute.upstream.providers.credentials import JSON
from octoroute.upstream.providers.sigv4 import sign

SERVICE = "bedrock"
_REGION = re.compile(r"\bbedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")


class Bedrock(Provider):
    """`now`: the time of day in UTC."""

    kind = "bedrock"
    dialect = "bedrock"
    passes: tuple[str, ...] = ()
    credential_headers = frozenset({"authorization"})

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now

    def url(self, endpoint: Endpoint, api: str, *, stream: bool) -> str | None:
        """A model's id may hold a colon, and its ARN a slash: both are percent-encoded."""
        if api != "chat":
            return None
        return f"{endpoint.base_url}/model/{quote(endpoint.model, safe='')}/{'converse-stream' if stream else 'converse'}"

    def headers(self, endpoint: Endpoint) -> Headers:
        configured = {name.lower() for name, _ in endpoint.headers}
        return endpoint.headers if JSON[0] in configured else (JSON, *endpoint.headers)

    def probe_url(self, endpoint: Endpoint) -> str:
        return endpoint.base_url + "/models"

    def sign(self, endpoint: Endpoint, *, method: str, url: str, headers: Headers, body: bytes) -> Headers:
        """`api_key` is sent as it is, before a signing key is used; a configured `authorization` is left alone."""
        if any(name.lower() == "authorization" for name, _ in headers):
            return ()
        if endpoint.api_key is not None:
            return (("authorization", f"Bearer {endpoint.api_key.reveal()}"),)
        if endpoint.signing_key is None:
            return ()
        return sign(
            endpoint.signing_key,
            region=region_of(endpoint),
            service=SERVICE,
            method=method,
            url=url,
            headers=headers,
            body=body,
            now=self._now(),
            host=endpoint.host,
        )

    def problem(self, endpoint: Endpoint) -> SettingProblem | None:
        if endpoint.signing_key is not None and endpoint.api_key is None and not region_of(endpoint):
            return "region", 'is missing, and the host in base_url does not name it; add it, for example region = "us-east-1"'
        return None


def region_of(endpoint: Endpoint) -> str:
    """The one that the host in `base_url` names, since it checks the signature; else the configured one."""
    found = _REGION.search(urlsplit(endpoint.base_url).netloc)
    return found[1] if found is not None else endpoint.region
