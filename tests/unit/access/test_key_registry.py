"""The keys that the gateway knows: whose a key is, until when, and what its role may do."""

from __future__ import annotations

import pytest

from octoroute.access.credentials import digest_of
from octoroute.access.key_registry import KeyRegistry, KnownKey
from octoroute.access.permissions import Permission
from octoroute.domain.principal import AccessRole, Principal
from octoroute.errors import Forbidden, Unauthorized

ADMIN = Principal(name="boss", role=AccessRole.ADMIN)
USER = Principal(name="team")


def known(text: str, principal: Principal = USER, expires_at: float | None = None, owner: str = "") -> KnownKey:
    return KnownKey(digest=digest_of(text), principal=principal, owner=owner or principal.name, expires_at=expires_at)


def ring(*keys: KnownKey, required: bool = True, now: float = 0.0) -> KeyRegistry:
    return KeyRegistry(keys, required=required, wall=lambda: now)


def test_without_keys_none_is_needed():
    assert ring(required=False).check({}) is None
    assert ring(required=False).check({"x-api-key": "anything"}) is None


def test_a_key_names_its_principal_and_the_first_one_of_a_digest_counts():
    keys = ring(known("a", ADMIN), known("a", USER), known("b", USER))
    assert (keys.check({"x-api-key": "a"}), keys.check({"authorization": "Bearer b"})) == (ADMIN, USER)
    assert keys.check({"x-api-key": "wrong", "authorization": "Bearer b"}) == USER


def test_privileged_keys_alone_do_not_close_the_gateway():
    keys = ring(known("c", ADMIN), required=False)
    assert keys.check({"x-api-key": "c"}) == ADMIN
    assert keys.check({"x-api-key": "a"}) is None


def test_a_wrong_key_and_a_missing_one_are_told_apart():
    with pytest.raises(Unauthorized, match=r"^invalid API key$"):
        ring(known("a")).check({"x-api-key": "b"})
    with pytest.raises(Unauthorized, match="API key is missing"):
        ring(known("a")).check({"authorization": "Basic a"})


@pytest.mark.parametrize(("now", "valid"), [(9.9, True), (10.0, False), (11.0, False)])
def test_a_key_expires_at_its_time_and_says_so(now, valid):
    keys = ring(known("a", expires_at=10.0), now=now)
    if valid:
        assert keys.check({"x-api-key": "a"}) == USER
    else:
        with pytest.raises(Unauthorized, match="'team' has expired"):
            keys.check({"x-api-key": "a"})


def test_keys_of_the_store_come_and_go_and_never_open_the_gateway_by_going():
    keys = ring(required=False)
    keys.use_stored([known("s")], any_made=True)
    assert keys.check({"x-api-key": "s"}) == USER
    keys.use_stored([], any_made=True)
    with pytest.raises(Unauthorized, match="invalid"):
        keys.check({"x-api-key": "s"})


def test_the_configuration_has_the_last_word_on_a_digest():
    keys = ring(known("a", ADMIN))
    keys.use_stored([known("a", USER)], any_made=True)
    assert keys.check({"x-api-key": "a"}) == ADMIN


def test_what_a_role_may_not_do_is_403_and_says_which_roles_may():
    keys = ring(known("a"), known("c", ADMIN))
    keys.authorize(ADMIN, Permission.ADMINISTER)
    keys.authorize(USER, Permission.ASK)
    with pytest.raises(Forbidden, match=r"requires the role viewer or operator or admin"):
        keys.authorize(USER, Permission.WATCH)


def test_privileged_routes_are_off_without_a_privileged_key_and_never_open():
    with pytest.raises(Forbidden, match="disabled"):
        ring(known("a")).authorize(USER, Permission.WATCH)
    with pytest.raises(Forbidden, match="disabled"):
        ring(required=False).authorize(None, Permission.ADMINISTER)
    with pytest.raises(Unauthorized, match="admin key is required"):
        ring(known("c", ADMIN), required=False).authorize(None, Permission.OPERATE)
    ring(required=False).authorize(None, Permission.ASK)


def test_an_owner_is_stable_and_nobody_without_a_key():
    keys = ring(known("a", owner="client:team"))
    assert keys.owner({"x-api-key": "a"}) == "client:team"
    with pytest.raises(Unauthorized):
        keys.owner({})
    assert ring(known("a", ADMIN), required=False).owner({"x-api-key": "a"}) == ""


def test_the_gateways_own_keys_are_not_forwarded():
    assert ring(known("a")).without_own({"x-api-key": "a", "authorization": "Bearer theirs"}) == {"authorization": "Bearer theirs"}


def test_the_ring_holds_no_text_of_a_key():
    assert "secret-text" not in str(vars(ring(known("secret-text"))))
