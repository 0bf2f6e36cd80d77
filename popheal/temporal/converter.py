"""How records travel: as JSON by their types, with a name and a version of the encoding."""

from __future__ import annotations

import json
from typing import Any, Final

from attrs import has
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    DefaultPayloadConverter,
    EncodingPayloadConverter,
)

from popheal.util.serialize import to_jsonable, value_of

#: Grows when a value is written in another way.
_VERSION: Final = b"1"


class RecordConverter(EncodingPayloadConverter):
    """attrs classes, by :mod:`popheal.util.serialize`."""

    @property
    def encoding(self) -> str:
        return "json/popheal"

    def to_payload(self, value: Any) -> Payload | None:
        if not has(type(value)):
            return None
        data = json.dumps(to_jsonable(value), separators=(",", ":")).encode()
        metadata = {"encoding": self.encoding.encode(), "version": _VERSION}
        return Payload(metadata=metadata, data=data)

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        if (version := payload.metadata.get("version")) != _VERSION:
            raise ValueError(f"the encoding is of version {version!r}, and this reads {_VERSION!r}")
        data = json.loads(payload.data)
        return value_of(data, type_hint) if type_hint is not None else data


class PayloadsOfPopheal(CompositePayloadConverter):
    """Records in our own way, everything else in Temporal's."""

    def __init__(self) -> None:
        super().__init__(
            RecordConverter(), *DefaultPayloadConverter.default_encoding_payload_converters
        )


#: What every client, worker and replayer of popheal must use. The messages of errors are payloads
#: as well, so that whoever encrypts payloads encrypts them, too.
DATA_CONVERTER: Final = DataConverter(
    payload_converter_class=PayloadsOfPopheal,
    failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
)
