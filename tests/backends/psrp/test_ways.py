"""Which Exchange endpoint a cmdlet goes to: past what is under repair, and not to an older one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from attrs import evolve

from popheal.backends.psrp import PsrpBackend, PsrpSettings, exchange_connection, winrm_connection
from popheal.backends.psrp.routing import Routes
from popheal.errors import Unreachable
from popheal.exchange.backend import ManyWaysIn
from popheal.lab import Lab
from tests.support.lab_backend import EX1, EX2, FakeBackend

A, B, C, D = (f"{name}.contoso.test" for name in ("a", "b", "c", "d"))


def ways(
    server: str,
    avoided: Sequence[str],
    versions: Mapping[str, str] | None = None,
    endpoints: Sequence[str] = (A, B, C),
) -> list[str]:
    settings = PsrpSettings(exchange=exchange_connection(endpoints), winrm=winrm_connection())
    return Routes(settings)._ways(server, avoided, versions or {})


@pytest.mark.parametrize("name", [A, "a", "A.Contoso.Test", "A"])
def test_the_server_under_repair_is_no_way(name: str) -> None:
    """In whatever form it is named, and whatever is asked about."""
    assert ways(A, [name]) == [B, C]
    assert ways(D, [name]) == [B, C]


def test_of_a_server_itself_last() -> None:
    """It is not under repair, but what decides about it is best asked of another."""
    assert ways(B, [A]) == [C, B]
    assert ways("b", [A], endpoints=(A, B)) == [B]


def test_with_no_other_way_it_is_a_way() -> None:
    """All that are configured are under repair: then one of them, but not for itself."""
    assert ways(A, [A], endpoints=(A,)) == [A]
    assert ways(A, [A, B], endpoints=(A, B)) == [B, A]
    assert ways(B, [A, B], endpoints=(A, B)) == [A, B]


OLD, NEW, NEWER = (
    "Version 15.1 (Build 2507.6)",
    "Version 15.2 (Build 986.5)",
    "Version 15.2 (Build 1118.7)",
)


def test_an_endpoint_of_the_same_or_a_newer_version_first() -> None:
    """Numbers are compared as numbers; where a version isn't known, the order stays."""
    assert ways(D, [A], {D: NEW, B: OLD, C: NEW}) == [C, B]
    assert ways(D, [A], {D: NEWER, B: NEW, C: NEWER}) == [C, B]
    assert ways(D, [A], {D: NEW, B: NEWER, C: NEW}) == [B, C]
    assert ways(D, [A], {D: OLD, B: OLD, C: NEW}) == [B, C]
    assert ways(D, [A], {D: NEW, C: NEW}) == ways(D, [A], {B: OLD, C: NEW}) == [B, C]
    assert ways(D, [A], {D: "", B: OLD}) == [B, C]
    # It is no reason to go through the server under repair, or through the one asked about.
    assert ways(D, [A], {D: NEW, A: NEW, B: OLD, C: OLD}) == [B, C]
    assert ways(B, [A], {B: NEW, C: OLD}) == [C, B]


@pytest.mark.lab
def test_versions_are_learnt_from_what_is_seen(lab: Lab, fake: FakeBackend) -> None:
    """No look is made for them."""
    original = fake.server_info
    versions = {EX1: OLD, EX2: NEW, "ex3": NEW}

    def info(server: str) -> object:
        if server == "ex3":
            return evolve(original(EX1), fqdn="ex3.contoso.test", name="ex3", version=NEW)
        return evolve(original(server), version=versions[server])

    fake.server_info = info  # type: ignore[method-assign,assignment]
    with PsrpBackend(lab.settings([EX1, EX2])) as backend:
        backend.copies_of("ex3", "DB1")
        assert (lab.shells(EX1), lab.shells(EX2)) == (1, 0)
        for server in (EX1, EX2, "ex3"):
            backend.server_info(server)
        seen = len(fake.calls)
        backend.close()
        backend.copies_of("ex3", "DB1")
        assert (lab.shells(EX1), lab.shells(EX2)) == (0, 1)
    assert len(fake.calls) == seen + 1


@pytest.mark.lab
def test_a_view_shares_the_connections(backend: PsrpBackend, lab: Lab) -> None:
    """And leaves the backend that it is of as it was."""
    assert isinstance(backend, ManyWaysIn)
    view = backend.avoiding([EX1])
    view.server_health(EX2)
    assert (lab.shells(EX1), lab.shells(EX2)) == (0, 1)
    backend.server_health(EX1)
    assert (lab.shells(EX1), lab.shells(EX2)) == (0, 1)
    backend.server_health(EX2)
    assert (lab.shells(EX1), lab.shells(EX2)) == (1, 1)
    view.close()
    assert (lab.shells(EX1), lab.shells(EX2)) == (0, 0)


@pytest.mark.lab
def test_with_no_sound_way_left_the_sick_one_is_not_taken(
    lab: Lab, backend: PsrpBackend, fake: FakeBackend
) -> None:
    """What can't be reached otherwise can't be told: the server under repair would answer."""
    fake.down.add(EX2)
    lab.sync()
    with pytest.raises(Unreachable):
        backend.avoiding([EX1]).copies_of("ex3", "DB1")
    assert not fake.calls


@pytest.mark.lab
def test_the_name_that_was_seen_is_the_identity(backend: PsrpBackend, fake: FakeBackend) -> None:
    """A server's Name need not be the first part of its full name."""
    original = fake.server_info
    named = {"name": "EXCH-ONE"}
    fake.server_info = lambda server: evolve(original(server), **named)  # type: ignore[method-assign,arg-type]
    fake.set_activation_disabled = lambda *given: fake._note("set", *given)  # type: ignore[method-assign]
    backend.server_info(EX1)
    for server in (EX1, "ex1", EX2):
        backend.set_activation_disabled(server, True)
    assert [given[0] for name, given in fake.calls if name == "set"] == [
        "EXCH-ONE",
        "EXCH-ONE",
        "ex2",
    ]
