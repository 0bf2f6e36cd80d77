"""Encrypted payloads: what a fleet sends can be read by whoever has a key, and by nobody else.

AES-256 in Galois/Counter Mode, with a nonce for each payload. What stands beside it in the clear,
which says how and by which key it is encrypted, is authenticated with it.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.service import RPCError

from popheal.errors import ConfigurationError
from popheal.temporal.converter import DATA_CONVERTER
from popheal.temporal.fleet_keys import VARIABLE, FleetKey
from popheal.temporal.listing import HEALING

#: What Temporal's own tools call encrypted payloads.
ENCODING: Final = b"binary/encrypted"
#: Grows when a payload is encrypted in another way.
_VERSION: Final = b"1"
#: Where a payload tells its key's name, in the clear.
KEY_NAME: Final = "popheal-key"
#: Bytes; random, which is safe for some four thousand million payloads by one key.
_NONCE: Final = 12
#: As many healings are looked at for one that was taken up.
_LOOKED_AT: Final = 20
#: In so many events it stands whether one was.
_FIRST_EVENTS: Final = 10


class SealedPayloads(PayloadCodec):
    """Encrypts every payload, and decrypts by whichever of its keys a payload names.

    What is in the clear is read as it is: healings may be open when a fleet is given its first
    key. So it hides what is said, and does not prove who has said it.

    Args:
        keys: The keys, one at least; the first one encrypts.
    """

    def __init__(self, keys: Sequence[FleetKey]) -> None:
        self._first = keys[0].name
        self._ciphers = {one.name: AESGCM(one.reveal()) for one in keys}

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._sealed(one) for one in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            self._opened(one) if one.metadata.get("encoding") == ENCODING else one
            for one in payloads
        ]

    def _sealed(self, payload: Payload) -> Payload:
        metadata = {"encoding": ENCODING, "version": _VERSION, KEY_NAME: self._first.encode()}
        nonce = os.urandom(_NONCE)
        hidden = self._ciphers[self._first].encrypt(
            nonce, payload.SerializeToString(), _beside(metadata)
        )
        return Payload(metadata=metadata, data=nonce + hidden)

    def _opened(self, payload: Payload) -> Payload:
        said = dict(payload.metadata)
        name = said.get(KEY_NAME, b"").decode("ascii", "replace")
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise _unreadable(name, f"here are {', '.join(self._ciphers)}")
        if (version := said.get("version")) != _VERSION:
            raise ConfigurationError(
                source="The fleet",
                problem=f"has sent something encrypted in the way {version!r}, and this popheal "
                f"knows {_VERSION!r}",
                next_step="Use the newest popheal that is used on any machine of the fleet.",
            )
        nonce, hidden = payload.data[:_NONCE], payload.data[_NONCE:]
        try:
            return Payload.FromString(cipher.decrypt(nonce, hidden, _beside(said)))
        except (InvalidTag, ValueError):
            raise ConfigurationError(
                source="The fleet",
                problem=f"has sent something that the key '{name}' of {VARIABLE} does not fit: it "
                "is another key of that name, or what was sent has been changed",
                next_step="Compare the key with that of the other machines.",
            ) from None


class _Unsealed(PayloadCodec):
    """Where no key is given: says which one is needed."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        for one in payloads:
            if one.metadata.get("encoding") == ENCODING:
                name = one.metadata.get(KEY_NAME, b"").decode("ascii", "replace")
                raise _unreadable(name, "it is not set here")
        return list(payloads)


async def require_key(client: Client) -> None:
    """See that what is to be said where others encrypt is not said in the clear.

    The newest healing that a worker has taken up tells whether they do: what was asked for by a
    key that no worker has says nothing about the others. Where there is none, or nobody answers,
    they may.

    Raises:
        ConfigurationError: If that was asked for by a key, and none is given here.
    """
    codec = client.data_converter.payload_codec
    if not isinstance(codec, _Unsealed):
        return
    newest: Sequence[Payload] = ()
    try:
        async for one in client.list_workflows(f"WorkflowType = '{HEALING}'", limit=_LOOKED_AT):
            asked, taken_up = await _asked_by(client.get_workflow_handle(one.id, run_id=one.run_id))
            newest = newest or asked
            if taken_up:
                newest = asked
                break
    except RPCError:
        return
    await codec.decode(newest)


async def _asked_by(run: WorkflowHandle[Any, Any]) -> tuple[Sequence[Payload], bool]:
    """What a healing was asked for with, and whether a worker could read it."""
    asked: Sequence[Payload] = ()
    async for event in run.fetch_history_events(page_size=_FIRST_EVENTS):
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
            asked = event.workflow_execution_started_event_attributes.input.payloads
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            return asked, True
    return asked, False


def _beside(metadata: dict[str, bytes]) -> bytes:
    """What is authenticated with a payload: what is said of how it is encrypted."""
    return b"\0".join((b"popheal", *(metadata[one] for one in ("encoding", "version", KEY_NAME))))


def _unreadable(name: str, seen: str) -> ConfigurationError:
    # A name that whoever sent it has made up is shown as what it is.
    called = f"'{name}'" if name.isprintable() and name else "of no name"
    return ConfigurationError(
        source="The fleet",
        problem=f"has sent something that only the key {called} decrypts ({VARIABLE}: {seen})",
        next_step=f"Add that key to {VARIABLE} on this machine, behind the first one if there is "
        "one.",
    )


def converter_of(keys: Sequence[FleetKey]) -> DataConverter:
    """What every client, worker and replayer must use that is given these keys; there may be none.

    Messages of errors and their stack traces are payloads as well, and are encrypted with them.
    """
    codec = SealedPayloads(keys) if keys else _Unsealed()
    return dataclasses.replace(DATA_CONVERTER, payload_codec=codec)
