"""What a table or a JSON object may hold, and how to complain about what it holds instead.

It is written down once, in the attrs classes themselves: the type of a field, and a :class:`Rule`
where that doesn't say it all, as its validator or in its type (``Annotated[int, ORDINAL]``, for
files alone). So a file, JSON and a program's own call meet the same bounds, and hear of them in
the same words. A field's metadata may have an ``example``, shown where the key is missing, and
what is meant where a key is ``unsaid``, and that a text may have several ``lines``.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import cache
from types import NoneType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    NoReturn,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

from attrs import NOTHING, Attribute, evolve, field, fields, frozen, has

from popheal.errors import InvalidValue
from popheal.util.text import did_you_mean

T = TypeVar("T")

#: The keys that lead to a value, from outside; a number counts the entries of a list, from 0.
Path = tuple[str | int, ...]

_NOT_IN_A_FILE: Final = (
    "is not accepted in a file, because files are copied, backed up and committed"
)
_ELSEWHERE: Final = (
    "Remove it; name an environment variable with password_env, or use keyring = true or Kerberos."
)
_IN_A_VARIABLE: Final = "Remove it; put it into an environment variable, and name that with"
_SECRETS: Final = ("password", "passwd", "pwd", "secret")
_LONGEST_SHOWN: Final = 60


# --- what a value may be -------------------------------------------------------------------------


def _as_it_is(value: Any) -> Any:
    return value


@frozen(eq=False)
class Rule:
    """What a value may be. Also a validator of attrs; None passes where it is the default.

    Attributes:
        right: What would be right, for people.
        accepts: Whether a value is.
        words: The words it is one of in a file, if it is.
        quoted: Whether a wrong value may be shown. Not where somebody might put a password.
        read: Makes what the program works with of what stands in a file.
        raw: Whether it holds for what stands in a file, and not only for what is made of that.
        least: Of a number, the least that it may be; None for what is no number.
        most: And the most.
    """

    right: str
    accepts: Callable[[Any], bool]
    words: tuple[str, ...] = ()
    quoted: bool = True
    read: Callable[[Any], Any] = _as_it_is
    raw: bool = True
    least: float | None = None
    most: float | None = None

    def __call__(self, record: Any, attribute: Attribute[Any], value: Any) -> None:
        if not self.accepts(value) and (value is not None or attribute.default is not None):
            raise unfit(record, attribute.name, self._seen(value), f"Give {self.right}.")

    def taken(self, reader: Reader, path: Path, value: Any) -> Any:
        """What the program works with, of a value from a file. Raises InvalidValue."""
        if not (value in self.words if self.words else self.accepts(value)):
            hint = did_you_mean(value, self.words) if isinstance(value, str) else ""
            right = f"one of {', '.join(self.words)}" if self.words else self.right
            reader.document.wrong(path, self._seen(value), f"{hint}Give {right}.")
        return self.read(value)

    def _seen(self, value: Any) -> str:
        return f"is {shown(value) if self.quoted else 'something else'}"


def shown(value: Any) -> str:
    """A value, cut short; never what is inside a list or a table."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, (list, tuple)):
        return "a list that can't be used" if value else "an empty list"
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def unfit(record: object, key: str, seen: str, right: str) -> InvalidValue:
    """The error of a record one of whose values doesn't go with the others; as a rule's own."""
    return InvalidValue(source=type(record).__name__, path=(key,), seen=seen, next_step=right)


def one_of(*words: str, read: Callable[[Any], Any] = _as_it_is) -> Rule:
    """One of these words."""
    return Rule(f"one of {', '.join(words)}", lambda value: value in words, words, read=read)


def member_of(*members: Enum) -> Rule:
    """One of these members of an enum; in a file it is said by their values."""
    return Rule(
        f"one of {', '.join(str(one) for one in members)}",
        lambda value: value in members,
        tuple(one.value for one in members),
        read=type(members[0]),
    )


def instance_of(kind: type) -> Rule:
    """An object of that class."""
    return Rule(f"a {kind.__name__}", lambda value: isinstance(value, kind), raw=False)


def is_text(value: Any) -> bool:
    """Whether it is a text with something in it."""
    return isinstance(value, str) and bool(value.strip())


def is_number(value: Any) -> bool:
    """Whether it is a finite number. True is a whole number to Python, but not here."""
    is_one = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_one and -math.inf < value < math.inf


def is_whole(value: Any) -> bool:
    """Whether it is a whole number, and no flag."""
    return isinstance(value, int) and not isinstance(value, bool)


def are_texts(value: Any) -> bool:
    """Whether it is a list of texts with something in them."""
    return isinstance(value, (list, tuple)) and all(is_text(one) for one in value)


#: More than anything that is counted or measured here, and little enough to calculate with.
_MOST: Final = 10**9

TEXT: Final = Rule("a text in quotes", is_text)
TEXTS: Final = Rule('a list of texts, like ["one", "two"]', are_texts, read=tuple)
FLAG: Final = Rule("true or false", lambda value: isinstance(value, bool))
NUMBER: Final = Rule("a number", lambda v: is_number(v) and abs(v) <= _MOST)
AMOUNT: Final = Rule("a number, 0 or more", lambda v: is_number(v) and 0 <= v <= _MOST)
ORDINAL: Final = Rule("a whole number above 0", lambda v: is_whole(v) and 0 < v <= _MOST)
COUNT: Final = Rule("a whole number, 0 or more", lambda v: is_whole(v) and 0 <= v <= _MOST)


#: What a field may hold whose type is all there is to know.
_PLAIN: Final = {
    str: Rule("a text in quotes", lambda value: isinstance(value, str)),
    bool: FLAG,
    int: COUNT,
    float: AMOUNT,
}
_EXAMPLES: Final = {bool: "true", int: "1", float: "1.0"}


# --- what a table may hold -----------------------------------------------------------------------


@frozen
class Key:
    """One key a table may have.

    Attributes:
        kind: The type of what is made of it.
        rule: What it may be, where the type doesn't say it all.
        required: Whether it has to be there.
        example: What it may look like.
        unsaid: What it means where it isn't there; None leaves that to the class.
        lines: Whether a text may have several lines; else control characters are refused.
    """

    kind: Any = str
    rule: Rule | None = None
    required: bool = False
    example: str = '"..."'
    unsaid: Any = None
    lines: bool = False


#: The keys a table may have, or of a JSON object.
Schema = Mapping[str, Key]


@cache
def keys_of(record: type[Any]) -> Schema:
    """The schema that an attrs class is: its fields, but those no one may set."""
    kinds = get_type_hints(record, include_extras=True)
    return {
        one.name: Key(
            kind=kinds[one.name],
            rule=one.validator if isinstance(one.validator, Rule) else None,
            required=one.default is NOTHING and "unsaid" not in one.metadata,
            example=one.metadata.get("example", _EXAMPLES.get(kinds[one.name], '"..."')),
            unsaid=one.metadata.get("unsaid"),
            lines=one.metadata.get("lines", False),
        )
        for one in fields(record)
        if one.init
    }


def without(schema: Mapping[str, T], *names: str) -> dict[str, T]:
    """A schema, or a table, less some of its keys."""
    return {name: one for name, one in schema.items() if name not in names}


# --- reading -------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Document:
    """JSON that was read. Its errors say where in it.

    Attributes:
        name: What to call it.
        content: What it holds.
        otherwise: What else may help, said after what would be right.
    """

    name: str
    content: Any = field(repr=False)
    otherwise: str = ""

    #: What no table is, how to write one, how to write several, and a text without controls.
    no_table: ClassVar = "is no JSON object"
    a_table: ClassVar = "Give one, in braces."
    tables: ClassVar = "Give a list of objects, in brackets."
    a_control: ClassVar = "Leave it out."

    def line(self, path: Path) -> int | None:  # noqa: ARG002 - JSON has no lines to speak of
        """The line of a key, where there are lines."""
        return None

    def wrong(self, path: Path, seen: str, next_step: str) -> NoReturn:
        """Raise the error for a value: what is wrong, and what would be right."""
        line = self.line(path)
        raise InvalidValue(
            source=f"{self.name}, line {line}" if line else self.name,
            path=path,
            seen=seen,
            next_step=f"{next_step} {self.otherwise}".rstrip(),
        )


#: Makes something of a value at a place, or complains about it.
Hook = Callable[["Reader", Path, Any], Any]


@frozen
class Reader:
    """Makes records of what a document holds. Whatever is in it must have been asked for.

    Attributes:
        document: What is read.
        hooks: For types that aren't made as their class says: what makes them.
    """

    document: Document
    hooks: Mapping[Any, Hook] = field(factory=dict)

    def hooked(self, hooks: Mapping[Any, Hook]) -> Reader:
        """The same with further hooks."""
        return evolve(self, hooks={**self.hooks, **hooks})

    def record(self, kind: type[T], path: Path, value: Any) -> T:
        """An object of an attrs class. Raises InvalidValue."""
        return self.make(path, kind, **self.values(keys_of(kind), path, value))  # type: ignore[arg-type]

    def make(self, path: Path, kind: Callable[..., T], /, **values: Any) -> T:
        """Call a class with values; what it says is wrong with one is said with its place."""
        try:
            return kind(**values)
        except InvalidValue as error:
            self.document.wrong((*path, *error.path), error.seen, error.next_step)

    def values(self, schema: Schema, path: Path, value: Any) -> dict[str, Any]:
        """The values of a table, each checked and read."""
        read = {}
        for name, one in self.table(path, value).items():
            if name not in schema:
                self.unknown((*path, name), one, schema)
            if not schema[name].lines:
                self.on_one_line((*path, name), one)
            read[name] = self.value(schema[name], (*path, name), one)
        for name, key in schema.items():
            if name not in read and key.unsaid is not None:
                read[name] = key.unsaid
            elif name not in read and key.required:
                right = f"Add it: {name} = {key.example}."
                self.document.wrong((*path, name), "is missing", right)
        return read

    def value(self, key: Key, path: Path, value: Any) -> Any:
        """The value of one key."""
        kind, inner = key.kind, get_args(key.kind)
        if NoneType in inner:
            if value is None:
                return None
            kind = inner[0]
        rule = None if kind in self.hooks else key.rule
        if rule is None or not rule.raw:
            value = self.read(kind, path, value)
        return value if rule is None else rule.taken(self, path, value)

    def read(self, kind: Any, path: Path, value: Any) -> Any:
        """What a type makes of a value."""
        if kind in self.hooks:
            return self.hooks[kind](self, path, value)
        if has(kind):
            return self.record(kind, path, value)
        origin, inner = get_origin(kind), get_args(kind)
        if origin is Annotated:
            rule: Rule = inner[1]
            return rule.taken(self, path, value)
        if origin in (tuple, list, frozenset):
            entries = enumerate(self._entries(inner[0], path, value))
            return origin([self.read(inner[0], (*path, at), one) for at, one in entries])
        if origin in (dict, Mapping):
            named = self.table(path, value).items()
            return {name: self.read(inner[1], (*path, name), one) for name, one in named}
        if issubclass(kind, Enum):
            return member_of(*kind).taken(self, path, value)
        return _PLAIN[kind].taken(self, path, value)

    def on_one_line(self, path: Path, value: Any) -> None:
        """Refuse control characters in a text, or in a list of them; tables ask for themselves."""
        for one in value if isinstance(value, list) else [value]:
            odd = next((char for char in one if _steers(char)), "") if isinstance(one, str) else ""
            if odd:
                name = _CONTROLS.get(odd, f"the control character U+{ord(odd):04X}")
                self.document.wrong(path, f"has {name} in it", self.document.a_control)

    def table(self, path: Path, value: Any) -> Mapping[str, Any]:
        """A table as it is."""
        if not isinstance(value, Mapping):
            right = self.document.a_table.format(_dotted(path))
            self.document.wrong(path, self.document.no_table, right)
        return value

    def unknown(self, path: Path, value: Any, known: Iterable[str]) -> NoReturn:
        """Raise the error for a key that nobody asked for."""
        key, known = str(path[-1]), tuple(known)
        secret = any(word in key.casefold() for word in _SECRETS)
        secret = secret or bool({f"{key}_env", f"{key}s_env"} & set(known))
        if secret and not did_you_mean(key, known, cutoff=0.85):
            variables = [one for one in known if one.endswith("_env")]
            only = f"{_IN_A_VARIABLE} {variables[0]}." if len(variables) == 1 else _ELSEWHERE
            self.document.wrong(path, _NOT_IN_A_FILE, only)
        what = "table" if isinstance(value, Mapping) else "key"
        right = f"Possible here: {', '.join(sorted(known)) or 'nothing at all'}."
        self.document.wrong(path, f"is not a known {what}", f"{did_you_mean(key, known)}{right}")

    def _entries(self, kind: Any, path: Path, value: Any) -> Iterable[Any]:
        if not isinstance(value, (list, tuple)):
            right = self.document.tables if has(kind) else f"Give {TEXTS.right}."
            self.document.wrong(path, f"is {shown(value)}", right.format(_dotted(path)))
        return value


def _steers(char: str) -> bool:
    """Whether a character does something rather than being something."""
    return unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs")


#: By what people call them, as their escapes are easily written by mistake.
_CONTROLS: Final = {
    "\b": "a backspace",
    "\t": "a tab",
    "\n": "a line feed",
    "\f": "a form feed",
    "\r": "a carriage return",
    "\x1b": "an escape character",
}


def _dotted(path: Path) -> str:
    """The name of a table, as a line in brackets says it."""
    return ".".join(part for part in path if isinstance(part, str))
