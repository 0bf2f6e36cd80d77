"""Encrypted payloads: whoever has no key reads nothing, and is told which one is needed."""

from __future__ import annotations

import asyncio
import base64
from copy import copy
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("temporalio", reason="needs the extra 'temporal'")

from google.protobuf.message import Message
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError
from temporalio.service import RPCError
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker

from popheal import errors
from popheal.audit import check_journal
from popheal.backends.psrp.backend import ORGANISATION
from popheal.temporal.carried import of_effect, of_look
from popheal.temporal.custody import Begin
from popheal.temporal.fleet_keys import VARIABLE, fleet_keys
from popheal.temporal.messages import Answer, Guarded
from popheal.temporal.sealing import ENCODING, KEY_NAME, converter_of
from tests.support.fleet import SECRETIVE, healed, site_worker_of
from tests.support.healing import Watched
from tests.temporal.test_commands import fleet_command

NEW, OLD, OTHER = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2, 3))
BOTH = f"new:{NEW} old:{OLD}"
CANARY = "canary-in-an-error"
SERVER = "mbx1.contoso.com"

#: Binary, JSON, and what is empty.
PAYLOADS = st.builds(
    Payload,
    metadata=st.dictionaries(st.text(max_size=8), st.binary(max_size=20), max_size=3),
    data=st.binary(max_size=200),
)


def converter(keys):
    """The converter of whoever has these keys."""
    return converter_of(fleet_keys({VARIABLE: keys}))


def sealed_by(keys, *payloads):
    return asyncio.run(converter(keys).payload_codec.encode(payloads))


def opened_by(keys, *payloads):
    return asyncio.run(converter(keys).payload_codec.decode(payloads))


# --- by itself -----------------------------------------------------------------------------------


@settings(max_examples=50)
@given(st.lists(PAYLOADS, min_size=1, max_size=3))
def test_whoever_has_the_key_reads_it(payloads):
    sealed = sealed_by(BOTH, *payloads)
    for before, after in zip(payloads, sealed, strict=True):
        assert dict(after.metadata) == {"encoding": ENCODING, "version": b"1", KEY_NAME: b"new"}
        assert len(before.data) < 4 or before.data not in after.data
    assert opened_by(f"newer:{OTHER} {BOTH}", *sealed) == payloads
    assert sealed_by(BOTH, *payloads) != sealed  # another nonce


@settings(max_examples=50)
@given(PAYLOADS, st.data())
def test_what_was_changed_is_noticed(payload, data):
    (sealed,) = sealed_by(BOTH, payload)
    where = data.draw(st.sampled_from(["data", "shorter", KEY_NAME, "version"]))
    if where == "data":
        at = data.draw(st.integers(0, len(sealed.data) - 1))
        bit = 1 << data.draw(st.integers(0, 7))
        changed = bytes([sealed.data[at] ^ bit])
        sealed.data = sealed.data[:at] + changed + sealed.data[at + 1 :]
    elif where == "shorter":
        sealed.data = sealed.data[: data.draw(st.integers(0, len(sealed.data) - 1))]
    else:
        sealed.metadata[where] = {KEY_NAME: b"old", "version": b"2"}[where]
    with pytest.raises(errors.ConfigurationError) as raised:
        opened_by(BOTH, sealed)
    assert NEW not in str(raised.value)


def test_what_is_said_beside_it_is_authenticated():
    """A key is known by two names: then its name alone has changed."""
    keys = f"new:{NEW} again:{NEW}"
    (sealed,) = sealed_by(keys, Payload(data=b"1"))
    sealed.metadata[KEY_NAME] = b"again"
    with pytest.raises(errors.ConfigurationError, match=r"key 'again' of .* does not fit"):
        opened_by(keys, sealed)


def test_whoever_lacks_the_key_is_told_which():
    sealed = sealed_by(BOTH, Payload(data=b"1"))
    for keys in (f"old:{OLD} other:{OTHER}", f"old:{OLD}"):
        with pytest.raises(errors.ConfigurationError, match="only the key 'new' decrypts") as it:
            opened_by(keys, *sealed)
        assert OLD not in str(it.value)
    with pytest.raises(errors.ConfigurationError, match="does not fit: it is another key") as it:
        opened_by(f"new:{OTHER}", *sealed)
    assert OTHER not in str(it.value)
    without = converter_of(()).payload_codec
    with pytest.raises(errors.ConfigurationError, match=r"'new' decrypts .*it is not set here"):
        asyncio.run(without.decode(sealed))


def test_what_is_in_the_clear_is_read_as_before():
    """A fleet is given its first key while healings are open."""
    clear = [Payload(metadata={"encoding": b"json/plain"}, data=b"1")]
    assert opened_by(BOTH, *clear) == clear
    without = converter_of(fleet_keys({})).payload_codec
    assert asyncio.run(without.decode(asyncio.run(without.encode(clear)))) == clear


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (" ", "is set, and holds no key"),
        (NEW, "has an entry (1 of 1) that is no name"),
        (f"new:{NEW} old:{OLD[:-4]}", "has an entry (2 of 2) that is no name with 32 bytes"),
        (f"{NEW}:new", "has an entry (1 of 1)"),
        (f"a/b:{NEW}", "has an entry (1 of 1)"),
        (f"new:{NEW} new:{OLD}", "has two keys of the name 'new'"),
    ],
)
def test_what_is_no_key_is_refused_and_not_shown(given, problem):
    with pytest.raises(errors.ConfigurationError) as raised:
        fleet_keys({VARIABLE: given})
    said = str(raised.value)
    assert said.startswith(f"{VARIABLE}: {problem}")
    assert "openssl rand -base64 32" in said
    assert not {NEW, OLD[:-4]} & set(said.replace(":", " ").split())


def test_a_key_does_not_show():
    assert NEW not in repr(fleet_keys({VARIABLE: BOTH}))
    assert NEW not in repr(vars(converter(BOTH).payload_codec))


def test_messages_of_errors_and_their_causes_are_encrypted():
    """And the lines of code that they have come through."""
    from temporalio.api.failure.v1 import Failure

    def fail():
        try:
            int("for this cause")
        except ValueError as cause:
            raise KeyError(CANARY) from cause

    failure = Failure()
    with pytest.raises(KeyError) as error:
        fail()
    asyncio.run(converter(BOTH).encode_failure(error.value, failure))
    written = failure.SerializeToString()
    for said in (CANARY, "for this cause", "test_sealing"):
        assert said.encode() not in written
    back = asyncio.run(converter(BOTH).decode_failure(failure))
    assert CANARY in str(back)
    assert "for this cause" in str(back.__cause__)


# --- a fleet -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def secretive(fleet):
    """A fleet with two keys."""
    with fleet.secretive(converter(BOTH)) as other:
        yield other


def payloads_of(message):
    """All payloads in a message, however deep."""
    if isinstance(message, Payload):
        yield message
        return
    for kind, value in message.ListFields():
        if kind.message_type is None:
            continue
        if kind.message_type.GetOptions().map_entry:
            inside = value.values()
        else:
            inside = [value] if isinstance(value, Message) else value
        for one in inside:
            if isinstance(one, Message):
                yield from payloads_of(one)


class Talkative(Watched):
    """A real organisation's name; and the first look at services fails, in words of its own."""

    organisation = ORGANISATION
    _told = False

    def services(self, server, names):
        if not self._told:
            self._told = True
            raise errors.CommandFailed(server=server, command="Get-Service", cause=CANARY)
        return super().services(server, names)


@pytest.mark.slow
def test_a_history_tells_nothing_to_whoever_has_no_key(secretive, tmp_path):
    """Of a healing with its looks, effects, an error, and its report, in two histories.

    And it is exported.
    """
    from popheal.temporal.healing_history import histories_of

    scenario = "client-access-healed-by-logging-restart"
    result, handle, _ = secretive.run(healed(secretive, scenario, Talkative, pace={"long": 5}))
    assert result.report["server"] == SERVER
    histories = secretive.run(histories_of(secretive.client, handle.id))
    assert len(histories) == 2
    events = [event for history in histories for event in history.events]
    written = b"".join(event.SerializeToString() for event in events)
    for secret in (SERVER, CANARY, "Get-Service", NEW):
        assert secret.encode() not in written
        assert all(secret not in history.to_json() for history in histories)
    found = [one for event in events for one in payloads_of(event)]
    # What the server itself adds, about builds, is in search attributes.
    own = [one for one in found if one.metadata.get("type") != b"KeywordList"]
    assert len(own) > 20
    assert {one.metadata["encoding"] for one in own} == {ENCODING}
    assert {one.metadata[KEY_NAME] for one in own} == {b"new"}
    assert any(CANARY.encode() in one.data for one in opened_by(BOTH, *own))

    from popheal.temporal.healing_workflow import Healing
    from popheal.temporal.worker import sandbox

    for keys in (BOTH, f"newer:{OTHER} {BOTH}"):
        replayer = Replayer(
            workflows=[Healing], data_converter=converter(keys), workflow_runner=sandbox()
        )
        for history in histories:
            secretive.run(replayer.replay_workflow(history))

    there = {"TEMPORAL_ADDRESS": secretive.address, "TEMPORAL_NAMESPACE": SECRETIVE}
    status, out, said = fleet_command("export", "mbx1", **there, POPHEAL_FLEET_KEYS=BOTH)
    assert (status, said) == (0, "")
    assert SERVER in out
    path = tmp_path / "healing.jsonl"
    path.write_text(out)
    assert check_journal(path).ok
    for command in (["export", "mbx1"], ["show", "mbx1"], ["stop", "mbx1"]):
        status, out, said = fleet_command(*command, **there, POPHEAL_FLEET_KEYS=f"old:{OLD}")
        assert (status, out, "only the key 'new' decrypts" in said) == (2, "", True)
    status, _, said = fleet_command("show", "mbx1", **there, POPHEAL_FLEET_KEYS="new")
    assert (status, f"{VARIABLE}: has an entry" in said) == (2, True)


@pytest.mark.slow
@pytest.mark.parametrize(("keys", "refused"), [(None, True), (f"new:{OTHER}", False)])
def test_where_others_encrypt_nothing_is_asked_for_in_the_clear(fleet, secretive, keys, refused):
    """By whoever has forgotten the keys: nothing has begun. That keys are others is no such case.

    Where nobody has asked for anything by a key yet, nobody can know.
    """
    from temporalio.client import Client

    from popheal.backends.simulated import load_scenario
    from popheal.temporal.listing import HEALING
    from popheal.temporal.sealing import require_key
    from tests.support.healing import alert_of

    alert = alert_of(load_scenario("mailbox-healed-by-restart"))
    site = uuid4().hex

    async def ask():
        by_key = await secretive.begin(alert, f"{site}-sealed", site)
        known = f"WorkflowType = '{HEALING}' AND WorkflowId = '{by_key.id}'"
        while (await secretive.client.count_workflows(known)).count == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        lacking = converter_of(fleet_keys({VARIABLE: keys} if keys else {}))
        client = await Client.connect(fleet.address, namespace=SECRETIVE, data_converter=lacking)
        elsewhere = await Client.connect(
            fleet.address, namespace="default", data_converter=converter_of(())
        )
        other = copy(secretive)
        other.client = client
        try:
            await require_key(elsewhere)
            begun = await other.begin(alert, f"{site}-clear", site)
        except errors.ConfigurationError as error:
            with pytest.raises(RPCError, match="not found"):
                await client.get_workflow_handle(f"popheal/healing/{site}-clear/mbx1").describe()
            return str(error)
        else:
            await begun.terminate()
        finally:
            await by_key.terminate()
        return ""

    said = fleet.run(ask())
    assert bool(said) is refused
    assert ("only the key 'new' decrypts" in said and VARIABLE in said) is refused


def test_a_key_that_no_worker_has_keeps_nobody_from_asking(fleet):
    """One shell with a key that is set by mistake: the fleet goes on in the clear."""
    from temporalio.client import Client

    from popheal.backends.simulated import load_scenario
    from popheal.temporal.listing import HEALING
    from popheal.temporal.sealing import require_key
    from tests.support.healing import alert_of

    alert = alert_of(load_scenario("mailbox-healed-by-restart"))
    site = uuid4().hex

    async def ask():
        taken_up = await fleet.begin(alert, f"{site}-clear", site)
        stray = copy(fleet)
        stray.client = await Client.connect(fleet.address, data_converter=converter(f"new:{NEW}"))
        by_key = await stray.begin(alert, f"{site}-stray", site)
        known = f"WorkflowType = '{HEALING}' AND WorkflowId = '{by_key.id}'"
        while (await fleet.client.count_workflows(known)).count == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        lacking = await Client.connect(fleet.address, data_converter=converter_of(()))
        try:
            await require_key(lacking)
        finally:
            for one in (taken_up, by_key):
                await one.terminate()

    fleet.run(ask())


@workflow.defn(sandboxed=False)
class Once:
    """Has one effect commanded at a site; what that ends with."""

    @workflow.run
    async def run(self, site: str) -> str:
        from datetime import timedelta

        begin = Begin(
            healing="a", token=1, effect="1", server=SERVER, what="reboot", at=workflow.now()
        )
        command = Guarded(
            name="reboot", args=(SERVER,), organisation="o", begin=begin, custodian="none"
        )
        try:
            await workflow.execute_activity(
                "effect",
                command,
                result_type=Answer,
                task_queue=f"popheal-site-{site}",
                start_to_close_timeout=timedelta(seconds=20),
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
        except ActivityError as error:
            seen = [read(error, SERVER, "reboot") for read in (of_effect, of_look)]
            return "\n".join(f"{type(one).__name__}: {one}" for one in seen)
        return "done"


@pytest.mark.parametrize("keys", [None, f"old:{OLD}"])
def test_a_site_without_the_key_begins_no_effect(fleet, secretive, keys):
    """It is certain that it has not begun, and the error says which key the worker needs."""
    from temporalio.client import Client

    async def ask():
        lacking = converter_of(fleet_keys({VARIABLE: keys} if keys else {}))
        client = await Client.connect(fleet.address, namespace=SECRETIVE, data_converter=lacking)
        at_site = type("AtSite", (), {"client": client})
        site = uuid4().hex
        backend = Watched(None)
        runner = UnsandboxedWorkflowRunner()
        once = Worker(secretive.client, task_queue=site, workflows=[Once], workflow_runner=runner)
        async with once, site_worker_of(at_site, site, backend, simulated=False):
            return await secretive.client.execute_workflow(
                Once.run, site, id=f"once-{site}", task_queue=site
            )

    effect, look = fleet.run(ask()).splitlines()
    assert effect.startswith("NotBegun: ")
    assert look.startswith("Unreachable: ")
    for said in (effect, look):
        assert "only the key 'new' decrypts" in said
