"""Sealed values open only where they were written and with a key that is there. The vectors are other people's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.store import vault
from octoroute.store.vault import PREFIX_BYTES, UnopenedValue, Vault, aes_gcm, derived_key, id_of, key_of, new_key

pytest.importorskip("cryptography", reason="the extra octoroute[encryption]")
ONE, TWO = b"\x01" * 32, b"\x02" * 32

# McGrew, Viega: The Galois/Counter Mode of Operation (GCM), submitted to NIST, appendix B, test cases 13 to 16 (AES-256)
KEY = "feffe9928665731c6d6a8f9467308308" * 2
PLAIN = (
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"
)
SEALED = (
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
    "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
)
VECTORS = [
    ("00" * 32, "00" * 12, "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"),
    ("00" * 32, "00" * 12, "00" * 16, "", "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"),
    (KEY, "cafebabefacedbaddecaf888", PLAIN, "", SEALED, "b094dac5d93471bdec1a502270e3cc6c"),
    (
        KEY,
        "cafebabefacedbaddecaf888",
        PLAIN[:120],
        "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        SEALED[:120],
        "76fc6ece0f4e1768cddf8853bb2d551b",
    ),
]


@pytest.mark.parametrize(("key", "nonce", "plain", "data", "sealed", "tag"), VECTORS)
def test_the_cipher_is_that_of_the_specification(key, nonce, plain, data, sealed, tag):
    cipher = aes_gcm(bytes.fromhex(key))
    given = bytes.fromhex(nonce), bytes.fromhex(plain), bytes.fromhex(data)
    assert cipher.encrypt(*given).hex() == sealed + tag
    assert cipher.decrypt(given[0], bytes.fromhex(sealed + tag), given[2]).hex() == plain


def test_keys_are_derived_as_in_the_specification():
    """RFC 5869, appendix A.1."""
    found = derived_key(b"\x0b" * 22, bytes(range(13)), bytes(range(0xF0, 0xFA)), 42)
    assert found.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"


@given(st.text(), st.text(), st.binary(max_size=200))
def test_a_value_opens_in_its_place(column, row, data):
    made = Vault([ONE, TWO])
    sealed = made.seal(column, row, data)
    assert sealed[:PREFIX_BYTES] == made.prefix
    assert Vault([TWO, ONE]).open(column, row, sealed) == data


@pytest.mark.parametrize(("column", "row"), [("bodies.request", "8"), ("bodies.response", "7"), ("bodies.request7", ""), ("", "")])
def test_a_value_in_another_place_is_not_used(column, row):
    sealed = Vault([ONE]).seal("bodies.request", "7", b"hello")
    with pytest.raises(UnopenedValue, match="another row"):
        Vault([ONE]).open(column, row, sealed)


def test_a_change_of_any_byte_is_noticed():
    made = Vault([ONE])
    sealed = made.seal("c", "r", b"hello")
    for at in range(2, len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1
        with pytest.raises(UnopenedValue):
            made.open("c", "r", bytes(changed))
    for end in range(2, len(sealed)):
        with pytest.raises(UnopenedValue):
            made.open("c", "r", sealed[:end])


def test_a_missing_key_is_named():
    sealed = Vault([ONE]).seal("c", "r", b"hello")
    for other in (Vault([TWO]), Vault()):
        with pytest.raises(UnopenedValue, match=id_of(ONE).hex()):
            other.open("c", "r", sealed)


def test_what_was_written_without_a_key_stays_readable():
    assert Vault([ONE]).open("c", "r", b'{"plain": 1}') == b'{"plain": 1}'
    assert Vault().seal("c", "r", b"plain") == b"plain"


def test_no_two_values_are_sealed_alike_and_salts_do_not_wear_out(monkeypatch):
    monkeypatch.setattr(vault, "MAX_VALUES", 3)
    made = Vault([ONE])
    sealed = [made.seal("c", "r", b"same") for _ in range(7)]
    assert len(set(sealed)) == 7
    assert len({one[PREFIX_BYTES : PREFIX_BYTES + 16] for one in sealed}) == 3
    assert {made.open("c", "r", one) for one in sealed} == {b"same"}


def test_keys_are_read_in_both_alphabets():
    key = bytes(range(223, 255))
    assert key_of("3+Dh4uPk5ebn6Onq6+zt7u/w8fLz9PX29/j5+vv8/f4=") == key
    assert key_of("3-Dh4uPk5ebn6Onq6-zt7u_w8fLz9PX29_j5-vv8_f4=\n") == key
    assert key_of(new_key()) != key_of(new_key())
    for wrong in ("", "short", "é" * 44, "A" * 43, "AAAA"):
        assert key_of(wrong) is None
