"""Serialised objects with their names replaced: the same objects, about others."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popheal.backends.psrp.clixml import Record, escape, read, unescape
from popheal.backends.psrp.recording.redacted_objects import redacted_clixml, redacted_parameters
from popheal.backends.psrp.recording.redaction import Redaction
from popheal.lab.serializer import PsEnum, PsList, PsObject, to_xml
from tests.support.paths import ROOT

SAMPLES = ROOT / "tests" / "samples"

ROW = PsObject(
    types=("Microsoft.Exchange.Data.Directory.SystemConfiguration.MailboxDatabase",),
    text="Archive",
    props={
        "Name": "Archive",
        "Recovery": False,
        "Servers": PsList(
            "System.Collections.ArrayList",
            [
                PsObject(
                    types=("Microsoft.Exchange.Data.Directory.ADObjectId",),
                    text="EX1",
                    props={"DistinguishedName": "CN=EX1,CN=Servers,DC=wingtip,DC=com"},
                )
            ],
        ),
        "ReplicationType": PsEnum("Some.Enum", "Remote", 1),
        "Description": "The archive of Wingtip Toys",
    },
)


def test_an_object_stays_what_it_is() -> None:
    """Types, properties, numbers, flags and enums are as they were; names are not."""
    redaction = Redaction()
    seen = read(redacted_clixml(redaction, to_xml(ROW)))
    assert isinstance(seen, Record)
    assert seen.types == ROW.types
    assert seen.text == seen.get("Name") == "database1"
    assert seen.get("Recovery") is False
    assert seen.get("Description") == "The database1 of name1 name2"
    kind, servers = seen.get("ReplicationType"), seen.get("Servers")
    assert isinstance(kind, Record)
    assert (kind.text, kind.value) == ("Remote", 1)
    assert isinstance(servers, Record)
    assert isinstance(servers.value, list)
    (server,) = servers.value
    assert server.text == "SERVER1"
    assert server.get("DistinguishedName") == "CN=SERVER1,CN=Servers,DC=name1,DC=com"


def test_what_can_not_be_looked_into_is_left_out() -> None:
    """Bytes, in which names are, and what is encrypted; also where it is said to be a number."""
    xml = (
        '<Obj RefId="0" Secret="wingtip"><!-- wingtip --><MS><BA N="Bytes">d2luZ3RpcA==</BA>'
        '<SS N="Password">d2luZ3RpcA==</SS><I32 N="Count">wingtip</I32><Wingtip N="wingtip">'
        '<S>wingtip</S></Wingtip></MS>wingtip<Ref RefId="wingtip" />'
        '<Obj RefId="1"><TN RefId="0"><T N="wingtip">System.Enum<S>wingtip</S></T></TN>'
        '<ToString A="wingtip">Healthy<S>wingtip</S></ToString></Obj></Obj>'
    )
    seen = redacted_clixml(Redaction(), xml)
    assert "wingtip" not in seen.casefold()
    assert "d2lu" not in seen
    assert '<BA N="Bytes" />' in seen


@pytest.mark.parametrize("name", [path.name for path in SAMPLES.glob("e19-*.xml")])
def test_real_objects_stay_readable(name: str) -> None:
    """Of captures of a real server nothing but names is lost, and every reference holds."""
    redaction = Redaction()
    for element in ET.fromstring((SAMPLES / name).read_text("utf-8-sig")):
        before = read(element)
        seen = redacted_clixml(redaction, ET.tostring(element, encoding="unicode"))
        assert "solo" not in seen.casefold()
        after = read(seen)
        assert shape(before) == shape(after)


def shape(value: object, depth: int = 0) -> object:
    """What a value is like, whatever its texts say."""
    if isinstance(value, Record):
        if depth > 8:
            return "deep"
        return (len(value.types), shape(value.value, depth + 1), len(list(value)))
    if isinstance(value, list):
        return [shape(item, depth + 1) for item in value]
    return type(value)


#: What may be the name of a property as the lab writes it.
KEYS = st.text(alphabet=st.characters(min_codepoint=32, categories=["L", "N", "P", "S", "Zs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31 - 1) | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.builds(
            lambda props, text: PsObject(types=("A.B",), text=text, props=props),
            st.dictionaries(KEYS, inner, max_size=3),
            st.none() | st.text(max_size=6),
        )
    ),
    max_leaves=8,
)


@settings(max_examples=60)
@given(VALUES)
def test_any_object_stays_readable(value: object) -> None:
    """Whatever is in it: what comes out is an object of that shape."""
    xml = to_xml(value)
    assert shape(read(redacted_clixml(Redaction(), xml))) == shape(read(xml))


@given(st.text())
def test_what_is_escaped_comes_back(text: str) -> None:
    """Also what XML can't hold."""
    assert unescape(escape(text)) == text


def test_parameters() -> None:
    """Switches and numbers are as they were; a name is one whatever it is called."""
    given = {"Identity": "Archive", "Status": True, "Newest": 4, "Name": ["MSExchangePOP3", "Toys"]}
    seen = redacted_parameters(Redaction(), "Get-MailboxDatabase", given)
    assert seen == {
        "Identity": "database1",
        "Status": True,
        "Newest": 4,
        "Name": ["MSExchangePOP3", "name1"],
    }
