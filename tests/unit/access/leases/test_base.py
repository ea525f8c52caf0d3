"""The one rule of leases, against a model of its sums."""

from hypothesis import given
from hypothesis import strategies as st

from octoroute.access.leases.base import LeaseBatch, LeaseGrant, LeaseRefusal, Settlement, WindowState, apply, windows_of
from tests.support.lease_backends import FAR, charge

WINDOWS = st.sampled_from(["u", "v", "w"])


@given(
    st.lists(st.lists(st.tuples(WINDOWS, st.integers(0, 9)), min_size=1, max_size=3, unique_by=lambda pair: pair[0]), max_size=30)
)
def test_nothing_is_admitted_above_a_limit_and_a_refusal_changes_nothing(reservations):
    states = {window: WindowState() for window in "uvw"}
    for wanted in reservations:
        before = {window: state.held for window, state in states.items()}
        (verdict,) = apply(
            LeaseBatch(owner="a", sequence=1, reservations=[[charge(window, amount, 20) for window, amount in wanted]]), states
        )
        fits = all(before[window] + amount <= 20 for window, amount in wanted)
        assert isinstance(verdict, LeaseGrant) == fits
        if isinstance(verdict, LeaseRefusal):
            assert {window: state.held for window, state in states.items()} == before
    assert all(state.held == state.own <= 20 for state in states.values())


def test_a_settlement_releases_at_most_what_its_owner_holds():
    states = {"w": WindowState(spent=1, held=10, own=3)}
    apply(LeaseBatch(owner="a", sequence=1, settlements=[Settlement("w", 5, 2, FAR)]), states)
    assert states["w"] == WindowState(spent=3, held=7, own=0)


def test_the_windows_of_a_batch_are_sorted_and_named_once():
    batch = LeaseBatch(
        owner="a",
        sequence=1,
        settlements=[Settlement("c", 0, 0, 3.0)],
        holds=[charge("b", 1, 9)],
        reservations=[[charge("a", 1, 9), charge("c", 1, 9)]],
    )
    assert list(windows_of(batch)) == ["a", "b", "c"]
