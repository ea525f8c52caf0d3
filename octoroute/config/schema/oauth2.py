"""The table of OAuth 2.0 client credentials towards a provider."""

from __future__ import annotations

from typing import Annotated, Literal

from octoroute.config import rules
from octoroute.domain.endpoint import Secret
from octoroute.domain.option import Key, Table


class OAuth2Table(Table, frozen=True, kw_only=True):
    """OAuth 2.0 client credentials instead of api_key: the gateway fetches tokens and renews them. See `docs/vendors.md`."""

    token_url: Annotated[
        str,
        Key(
            "address of the token server; blank: no OAuth 2.0",
            check=rules.optional_url,
            example='"https://login.microsoftonline.com/TENANT/oauth2/v2.0/token"',
        ),
    ] = ""
    client_id: Annotated[str, Key("id of the client", check=rules.credential, example='"${AZURE_CLIENT_ID}"')] = ""
    client_secret: Annotated[
        Secret | None, Key("secret of the client", check=rules.credential, example='"${AZURE_CLIENT_SECRET}"')
    ] = None
    scope: Annotated[
        str,
        Key("scope, or several with spaces", check=rules.optional_label, example='"https://cognitiveservices.azure.com/.default"'),
    ] = ""
    audience: Annotated[str, Key("audience, for servers such as Auth0", check=rules.optional_label, example='""')] = ""
    client_auth: Annotated[
        Literal["post", "basic"], Key("how the secret is sent: as a form field, or as HTTP basic authentication")
    ] = "post"
