"""HTTPS without a proxy in front: `[server.tls]`."""

from __future__ import annotations

import asyncio
import shutil
import signal
import ssl
import warnings
from pathlib import Path

import httpx2
import pytest

from octoroute.config import loads
from octoroute.errors import ConfigError
from tests.support.certificates import Authority
from tests.support.fake import DONE, completion, hang, stream, tokens, whole
from tests.support.live_gateway import Process, endpoint, post, question

ALIVE = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    found = Authority(tmp_path_factory.mktemp("authority"))
    found.server("IP:127.0.0.1", "DNS:localhost")
    found.server("IP:127.0.0.2", "IP:127.0.0.1")
    return found


@pytest.fixture
def files(authority, tmp_path) -> dict[str, str]:
    install(authority, tmp_path, "IP-127.0.0.1")
    return {"cert_file": str(tmp_path / "tls.crt"), "key_file": str(tmp_path / "tls.key")}


def install(authority: Authority, place: Path, stem: str, key: str | None = None) -> None:
    shutil.copy(authority.folder / f"{stem}.pem", place / "tls.crt")
    shutil.copy(authority.folder / f"{key or stem}.key", place / "tls.key")


async def connect(process: Process, authority: Authority) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = process.url.removeprefix("https://").split(":")
    return await asyncio.open_connection(host, int(port), ssl=authority.trusting())


async def certificate(process: Process, authority: Authority) -> bytes:
    _, writer = await connect(process, authority)
    found = writer.get_extra_info("ssl_object").getpeercert(True)
    writer.close()
    return found


@pytest.mark.parametrize("workers", [1, 2])
async def test_whole_and_streamed_answers_over_tls(make_process, fake, files, authority, workers):
    process = await make_process([endpoint(fake)], server={"tls": files, "workers": workers})
    assert process.url.startswith("https://127.0.0.1:")
    async with httpx2.AsyncClient(base_url=process.url, verify=authority.trusting(), timeout=20) as client:
        for _ in range(3):
            answer = await client.post("/v1/chat/completions", json=question())
            assert (answer.status_code, answer.http_version) == (200, "HTTP/1.1")
        fake.then(stream(tokens(["word " * 5000] * 100)))
        streamed = await client.post("/v1/chat/completions", json=question(stream=True))
        assert streamed.content.endswith(DONE)
        assert len(streamed.content) > 2_000_000
        large = await client.post("/v1/chat/completions", json=question("x" * 5_000_000))
        assert large.status_code == 200
    process.signal(signal.SIGTERM)
    assert await process.ended() == (0, b"")


async def test_old_versions_and_plain_http_are_turned_away_and_harm_nobody(make_process, fake, files, authority):
    process = await make_process([endpoint(fake)], server={"tls": files})
    host, port = process.url.removeprefix("https://").split(":")
    for data in (ALIVE, b"\x16\x03\x01\x00\x05hello", b"\x00" * 500):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(data)
        found = await reader.read()
        assert not found.startswith(b"HTTP/")
        writer.close()
    old = authority.trusting()
    with warnings.catch_warnings(action="ignore"):  # that it is deprecated is why it is refused
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection(host, int(port), ssl=old)
    reader, writer = await connect(process, authority)
    writer.write(ALIVE)
    assert (await reader.readuntil(b'OK"}')).startswith(b"HTTP/1.1 200 ")
    writer.close()
    process.signal(signal.SIGTERM)
    assert await process.ended() == (0, b"")


@pytest.mark.parametrize("workers", [1, 2])
async def test_sighup_reads_a_renewed_certificate_and_keeps_the_old_one_if_it_is_no_good(
    make_process, fake, files, authority, tmp_path, workers
):
    process = await make_process([endpoint(fake)], server={"tls": files, "workers": workers})
    first, second = authority.der("IP:127.0.0.1"), authority.der("IP:127.0.0.2")
    assert await certificate(process, authority) == first
    reader, writer = await connect(process, authority)  # goes on with the certificate that it began with
    install(authority, tmp_path, "IP-127.0.0.2")
    process.signal(signal.SIGHUP)
    await process.line("configuration reloaded", count=workers)
    assert {await certificate(process, authority) for _ in range(6)} == {second}
    writer.write(ALIVE)
    assert (await reader.readuntil(b'OK"}')).startswith(b"HTTP/1.1 200 ")
    writer.close()

    install(authority, tmp_path, "IP-127.0.0.1", key="IP-127.0.0.2")
    process.signal(signal.SIGHUP)
    line = await process.line("the new configuration is not used, the old one stays", count=workers)
    assert "server.tls.key_file" in str(line["problems"])
    assert {await certificate(process, authority) for _ in range(6)} == {second}


async def test_a_hang_up_over_tls_frees_the_endpoint(make_process, fake, files, authority):
    fake.always(hang)
    process = await make_process([endpoint(fake, id="a")], server={"tls": files})
    _, writer = await connect(process, authority)
    writer.write(post(b'{"model": "auto", "messages": [{"role": "user", "content": "hi"}]}'))
    await fake.asked()
    writer.transport.abort()
    await fake.hung_up_on()
    assert (await process.line("request"))["ending"] == "abandoned"


async def test_stopping_over_tls_answers_what_has_begun_and_does_not_wait_for_idle_clients(make_process, fake, files, authority):
    process = await make_process([endpoint(fake)], server={"tls": files})
    go = asyncio.Event()

    async def held(exchange):
        await go.wait()
        await whole(completion())(exchange)

    fake.always(held)
    request = post(b'{"model": "auto", "messages": [{"role": "user", "content": "hi"}]}')
    idle_reader, _ = idle = await connect(process, authority)
    idle[1].write(ALIVE)
    await idle_reader.readuntil(b'OK"}')
    reader, writer = await connect(process, authority)
    writer.write(request)
    await fake.asked()
    half = await connect(process, authority)
    half[1].write(request[:30])
    await asyncio.sleep(0.1)
    process.signal(signal.SIGTERM)
    await process.line("stopping")
    await asyncio.sleep(0.5)
    half[1].write(request[30:])
    await fake.asked(2)
    go.set()
    for found in (reader, half[0]):
        head = await found.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in head
    code, errors = await process.ended(within_s=12)  # not the 30 s for which TLS may wait for the other side's goodbye
    assert (code, errors) == (0, b"")
    for _, open_writer in (idle, half, (reader, writer)):
        open_writer.transport.abort()


def test_check_tells_files_that_cannot_be_used(authority, tmp_path):
    base = '[[models.fast]]\nname = "m"\nbase_url = "http://127.0.0.1:1/v1"\n'
    folder = authority.folder

    def problems(**files: object) -> list[str]:
        table = "".join(f'{key} = "{value}"\n' for key, value in files.items())
        with pytest.raises(ConfigError) as caught:
            loads(f"[server.tls]\n{table}{base}", Path("config.toml"), {})
        return list(caught.value.problems)

    (missing,) = problems(cert_file="/nowhere/tls.crt")
    assert missing.startswith("server.tls.cert_file: cannot be read: No such file")
    both = problems(cert_file="/nowhere/tls.crt", key_file="/nowhere/tls.key")
    assert [text.partition(":")[0] for text in both] == ["server.tls.cert_file", "server.tls.key_file"]
    (pair,) = problems(cert_file=folder / "IP-127.0.0.1.pem", key_file=folder / "IP-127.0.0.2.key")
    assert pair.startswith("server.tls.key_file: does not make a pair")
    (alone,) = problems(key_file=folder / "IP-127.0.0.2.key")
    assert alone.startswith("server.tls.key_file: has no cert_file")
    (no_key,) = problems(cert_file=folder / "IP-127.0.0.1.pem")
    assert no_key.startswith("server.tls.cert_file: does not make a pair")
    both_in_one = tmp_path / "both.pem"
    both_in_one.write_bytes((folder / "IP-127.0.0.1.pem").read_bytes() + (folder / "IP-127.0.0.1.key").read_bytes())
    assert loads(f'[server.tls]\ncert_file = "{both_in_one}"\n{base}', Path("config.toml"), {}).server.tls.key_file == ""
