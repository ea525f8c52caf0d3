"""TLS, proxies, quirks, and forwarded keys in the configuration: what is wrong is said with its key."""

import hashlib
from pathlib import Path

import pytest

from octoroute.config import Config, loads
from octoroute.dialects.openai.compat import PRESETS, quirks_of
from octoroute.domain.endpoint import Secret, SigningKey, Tls
from octoroute.errors import ConfigError
from tests.support.certificates import Authority

ENDPOINT = '[[models.fast]]\nname = "m"\nbase_url = "https://10.0.0.1/v1"\n'
MINE = '[[models.fast]]\nname = "m"\nprovider = "p"\nbase_url = "https://10.0.0.1/v1"\n'


def read(text: str) -> Config:
    return loads(text, Path("config.toml"), {})


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return caught.value.problems


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("authority"))
    made.server("DNS:client")
    return made


def test_nothing_said_is_nothing_asked():
    (endpoint,) = read(ENDPOINT).endpoints
    assert (endpoint.tls, endpoint.proxy, endpoint.max_connections, endpoint.forward_client_key, endpoint.quirks) == (
        None,
        None,
        0,
        False,
        (),
    )


def test_b37_the_endpoints_own_tls_stands_in_the_place_of_the_providers(authority):
    ca, cert, key = authority.file, authority.folder / "DNS-client.pem", authority.folder / "DNS-client.key"
    digest = hashlib.sha256(b"x").digest()
    pin = ":".join(f"{byte:02X}" for byte in digest)
    config = read(
        f'[providers.p.tls]\nca_file = "{ca}"\nclient_cert = "{cert}"\nclient_key = "{key}"\n'
        + MINE
        + MINE
        + f'tls = {{ pin_sha256 = ["{pin}"] }}\n'
    )
    theirs, own = (endpoint.tls for endpoint in config.endpoints)
    assert theirs is not None
    assert own is not None
    assert (theirs.ca_file, theirs.client_cert, theirs.client_key, theirs.pins_sha256) == (
        str(ca),
        str(cert),
        str(key),
        frozenset(),
    )
    assert (own.ca_file, own.client_cert, own.pins_sha256) == (None, None, frozenset({digest}))


def test_b37_a_renewed_file_is_another_trust(authority, tmp_path):
    file = tmp_path / "ca.pem"
    text = ENDPOINT + f'tls = {{ ca_file = "{file}" }}\n'
    file.write_bytes(authority.file.read_bytes())
    first, again = read(text).endpoints[0].tls, read(text).endpoints[0].tls
    file.write_bytes(authority.file.read_bytes() + b"\n")
    assert first == again != read(text).endpoints[0].tls


@pytest.mark.parametrize(
    ("table", "key", "wrong"),
    [
        ('ca_file = "/no/such/file.pem"', "ca_file", "cannot be read: No such file or directory"),
        ('client_cert = "/no/such/file.pem"', "client_cert", "cannot be read"),
        ('ca_file = "{here}"', "ca_file", "holds no certificate"),
        ('client_cert = "{ca}"', "client_cert", "does not make a pair"),
        ('client_cert = "{cert}", client_key = "{other}"', "client_key", "does not make a pair"),
        ('client_key = "{other}"', "client_key", "has no client_cert"),
        ('pin_sha256 = ["abc"]', "pin_sha256[0]", "is not a SHA-256 fingerprint in hex"),
        ('ca_fiel = "x"', "ca_fiel", 'did you mean "ca_file"'),
    ],
)
@pytest.mark.parametrize("own", [True, False])
def test_b37_a_file_that_cannot_be_used_is_said_with_its_key(authority, table, key, wrong, own):
    folder = authority.folder
    for name, file in {
        "here": Path(__file__),
        "ca": authority.file,
        "cert": folder / "DNS-client.pem",
        "other": folder / "ca.key",
    }.items():
        table = table.replace(f"{{{name}}}", str(file))
    text = ENDPOINT + f"tls = {{ {table} }}\n" if own else f"[providers.p]\ntls = {{ {table} }}\n{MINE}"
    (problem,) = problems(text)
    assert problem.startswith(f"{'models.fast[0]' if own else 'providers.p'}.tls.{key}: ")
    assert wrong in problem


def test_b37_a_key_with_a_passphrase_is_refused_without_asking_for_it(authority, tmp_path):
    key, locked = authority.folder / "DNS-client.key", tmp_path / "locked.key"
    authority._openssl("ec", "-in", str(key), "-aes128", "-passout", "pass:secret", "-out", str(locked))
    cert = authority.folder / "DNS-client.pem"
    (problem,) = problems(ENDPOINT + f'tls = {{ client_cert = "{cert}", client_key = "{locked}" }}\n')
    assert problem.startswith("models.fast[0].tls.client_key: does not make a pair")


def test_b37_tls_over_plain_http_is_refused(authority):
    text = ENDPOINT.replace("https", "http") + f'tls = {{ ca_file = "{authority.file}" }}\n'
    assert problems(text) == (
        "models.fast[0].tls: requires https://, but the base_url of models.fast[0] has http://; change one of them",
    )


def test_blank_is_not_said():
    config = read(f'[providers.p]\nproxy = ""\ntls = {{ ca_file = "" }}\n{MINE}')
    assert (config.endpoints[0].tls, config.endpoints[0].proxy) == (None, None)


def test_a_proxy_needs_the_other_transport():
    provider = f'[providers.p]\nproxy = "http://user:pass@10.0.0.9:3128"\n{MINE}'
    (problem,) = problems(provider)
    assert problem.startswith('providers.p.proxy: is not supported by the native HTTP client; set server.upstream = "aiohttp"')
    (endpoint,) = read(f'[server]\nupstream = "aiohttp"\n{provider}').endpoints
    assert endpoint.proxy == Secret("http://user:pass@10.0.0.9:3128")
    assert "pass" not in repr(endpoint)


@pytest.mark.parametrize(
    "url", ["10.0.0.9:3128", "https://10.0.0.9", "http://", "http://h/path", "http://h:0", "http://h?q", "socks5://h:1"]
)
def test_what_is_no_proxy(url):
    (problem,) = problems(f'[server]\nupstream = "aiohttp"\n[providers.p]\nproxy = "{url}"\n{MINE}')
    assert problem == "providers.p.proxy: is not a valid URL of an HTTP proxy; write it like http://10.0.0.1:3128"


def test_c17_an_unknown_quirk_is_refused_with_the_nearest():
    (problem,) = problems(ENDPOINT + 'quirks = ["deepsek"]\n')
    assert problem.startswith("models.fast[0].quirks[0]: must be one of openai, ")
    assert problem.endswith('did you mean "deepseek"?')


@pytest.mark.parametrize("name", PRESETS)
def test_c17_every_preset_may_be_named(name):
    (endpoint,) = read(ENDPOINT + f'quirks = ["{name}"]\n').endpoints
    for field, value in PRESETS[name].items():
        assert getattr(quirks_of(endpoint), field) == value


def test_c17_a_providers_quirks_are_inherited_and_the_endpoints_win():
    config = read(f'[providers.p]\nquirks = ["glm"]\n{MINE}{MINE}quirks = ["kimi"]\n')
    assert [endpoint.quirks for endpoint in config.endpoints] == [("glm",), ("kimi",)]


FORWARDING = '[providers.p]\nforward_client_key = true\nbase_url = "https://a.example/v1"\n'


def test_c7_the_gateways_own_keys_are_nothing_to_forward():
    (problem,) = problems(f'[auth]\nkeys = ["k"]\n{FORWARDING}{MINE}')
    assert problem.startswith("providers.p.forward_client_key: would send the gateway's own keys to a vendor")


def test_c7_only_one_vendor_is_told_the_clients_keys():
    other = '[providers.q]\nforward_client_key = true\nbase_url = "https://b.example/v1"\n'
    rows = '[[models.fast]]\nname = "m"\nprovider = "p"\n[[models.fast]]\nname = "n"\nprovider = "q"\n'
    (problem,) = problems(FORWARDING + other + rows)
    assert problem.startswith(
        "providers.q.forward_client_key: would send clients' keys to b.example, and p sends them to a.example"
    )
    assert len(read(FORWARDING + other.replace("b.example", "a.example") + rows).endpoints) == 2


def test_everything_equal_is_one_trust():
    assert hash(Tls(ca_file="a", pins_sha256=frozenset({b"x"}))) == hash(Tls(ca_file="a", pins_sha256=frozenset({b"x"})))


@pytest.mark.parametrize(
    ("lines", "wires"),
    [
        ('base_url = "https://10.0.0.1/v1"', ()),
        ('base_url = "https://10.0.0.1/v1"\nwire = "responses"', ("responses",)),
        ('base_url = "https://api.openai.com/v1"', ("responses", "openai")),
        ('base_url = "https://api.openai.com/v1"\nwire = "chat"', ()),
        ('provider = "azure"\nbase_url = "https://r.openai.azure.com/openai/v1"\nwire = "responses"', ("responses",)),
        ('provider = "anthropic"\nbase_url = "https://10.0.0.1/v1"\nwire = "chat"', ()),
    ],
)
def test_the_formats_that_an_endpoint_is_asked_in(lines, wires):
    (endpoint,) = read(f'[[models.fast]]\nname = "m"\n{lines}\n').endpoints
    assert endpoint.wires == wires


def test_a_format_that_the_kind_does_not_have():
    lines = 'provider = "gemini"\nbase_url = "https://10.0.0.1/v1beta"\nwire = "responses"'
    (text,) = problems(f'[[models.fast]]\nname = "m"\n{lines}\n')
    assert text == 'models.fast[0].wire: must not be set: endpoints of kind gemini have no API "responses"; remove it'


AWS = '[[models.fast]]\nname = "m"\nprovider = "aws"\n[providers.aws]\nkind = "bedrock"\nbase_url = "https://{host}"\n{keys}\n'
AMAZON = "bedrock-runtime.us-east-1.amazonaws.com"
SIGNS = 'access_key_id = "AKID"\nsecret_access_key = "s/e+cret"\n'


def test_a_key_that_signs_requests_is_read():
    (endpoint,) = read(AWS.format(host=AMAZON, keys=SIGNS + 'session_token = "tok"\nregion = "eu-west-1"')).endpoints
    assert endpoint.signing_key == SigningKey(id="AKID", secret=Secret("s/e+cret"), session_token=Secret("tok"))
    assert endpoint.region == "eu-west-1"
    (endpoint,) = read(AWS.format(host=AMAZON, keys=SIGNS + 'session_token = ""')).endpoints
    assert endpoint.signing_key is not None
    assert endpoint.signing_key.session_token is None


@pytest.mark.parametrize(
    ("host", "keys", "path", "word"),
    [
        (AMAZON, 'access_key_id = "AKID"', "secret_access_key", "missing"),
        (AMAZON, 'secret_access_key = "s"', "access_key_id", "missing"),
        (AMAZON, 'session_token = "s"', "access_key_id", "missing"),
        ("proxy.example.com", SIGNS, "region", "us-east-1"),
        (AMAZON, 'region = "us east"', "region", "us-east-1"),
    ],
)
def test_half_a_key_and_no_region_are_problems(host, keys, path, word):
    found = problems(AWS.format(host=host, keys=keys))
    assert any(f"providers.aws.{path}" in text and word in text for text in found), found


OAUTH2 = '[[models.fast]]\nname = "m"\nprovider = "p"\n{of_model}\n[providers.p]\nbase_url = "https://h/v1"\n{of_provider}\n[providers.p.oauth2]\n{keys}\n'
GRANT = 'token_url = "https://login/token"\nclient_id = "me"\nclient_secret = "s"\n'


def test_client_credentials_are_read():
    (endpoint,) = read(OAUTH2.format(of_model="", of_provider="", keys=GRANT + 'client_auth = "basic"\nscope = "a b"')).endpoints
    assert endpoint.oauth2 is not None
    assert (endpoint.oauth2.by_header, endpoint.oauth2.scope, endpoint.oauth2.client_secret) == (True, "a b", Secret("s"))
    assert read(OAUTH2.format(of_model="", of_provider='api_key = "k"', keys="")).endpoints[0].oauth2 is None


@pytest.mark.parametrize(
    ("of_model", "of_provider", "keys", "said"),
    [
        ("", "", 'client_id = "me"', "providers.p.oauth2.token_url: is missing"),
        ("", "", 'token_url = "https://login/token"\nclient_id = "me"', "providers.p.oauth2.client_secret: is missing"),
        ("", "", GRANT.replace("https://login/token", "login"), "providers.p.oauth2.token_url: must start with"),
        ("", 'api_key = "k"', GRANT, "providers.p.oauth2: takes the place of api_key"),
        ('api_key = "k"', "", GRANT, "providers.p.oauth2: takes the place of api_key"),
        ("", 'headers = { Authorization = "Bearer x" }', GRANT, "providers.p.oauth2: writes the header authorization"),
        ("", "forward_client_key = true", GRANT, "providers.p.oauth2: takes the place of"),
    ],
)
def test_half_of_client_credentials_or_another_credential_is_a_problem(of_model, of_provider, keys, said):
    found = problems(OAUTH2.format(of_model=of_model, of_provider=of_provider, keys=keys))
    assert len([text for text in found if text.startswith(said)]) == 1, found
