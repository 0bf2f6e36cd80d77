"""Every error that popheal raises to those who call it.

Each error has fields, and its sentence is derived from them: what was tried, on which
server, what was seen, and the operator's next step. No error ever holds a secret.
"""

from __future__ import annotations

from collections.abc import Iterable


class PophealError(Exception):
    """Base of all errors of this library.

    Attributes:
        next_step: What the operator can do about it, one sentence.
    """

    next_step: str = ""

    def __str__(self) -> str:
        said = self.sentence().rstrip(".")
        return f"{said}. {self.next_step}" if self.next_step else f"{said}."

    def sentence(self) -> str:
        """Say what is wrong, without the next step."""
        return super().__str__()

    def __reduce__(self) -> tuple[object, ...]:
        # Errors take keyword fields; the default would call them with positional arguments.
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(
    kind: type[PophealError], args: tuple[object, ...], fields: dict[str, object]
) -> PophealError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(fields)
    return error


class DefinitionError(PophealError):
    """A procedure's table breaks a law; raised while the table is built.

    Attributes:
        procedure: Name of the procedure.
        state: The state at fault, or None where the table as a whole is.
        law: What the law says and how it was broken.
    """

    next_step = "Correct the table; it was not accepted."

    def __init__(self, *, procedure: str, law: str, state: str | None = None) -> None:
        super().__init__(procedure, state, law)
        self.procedure, self.state, self.law = procedure, state, law

    def sentence(self) -> str:
        where = f", state '{self.state}'" if self.state else ""
        return f"Procedure '{self.procedure}'{where}: {self.law}"


class IllegalOutcome(PophealError):
    """A run was told something that cannot happen in its state. The run is unchanged.

    Attributes:
        procedure: Name of the procedure.
        current: The state the run is in.
        outcome: What it was told.
        expected: The outcomes possible there; empty at an end.
    """

    next_step = "Report one of the expected outcomes; the run has not moved."

    def __init__(
        self, *, procedure: str, current: str, outcome: str, expected: Iterable[str]
    ) -> None:
        self.procedure, self.current, self.outcome = procedure, current, outcome
        self.expected = tuple(expected)
        super().__init__(procedure, current, outcome, self.expected)

    def sentence(self) -> str:
        expected = ", ".join(self.expected) or "nothing: the run has ended"
        return (
            f"Procedure '{self.procedure}' in state '{self.current}' can't take the outcome "
            f"'{self.outcome}' (expected: {expected})"
        )


class UnknownName(PophealError):
    """A name given by the caller means nothing here: a server, monitor, health set or the like.

    Attributes:
        kind: What was named, for example ``"server"``.
        name: The name as given.
        known: Names that would have been understood, where they can be listed.
    """

    def __init__(self, *, kind: str, name: str, known: Iterable[str] = ()) -> None:
        self.kind, self.name, self.known = kind, name, tuple(known)
        super().__init__(kind, name, self.known)
        self.next_step = (
            f"Known: {', '.join(self.known)}."
            if self.known
            else "Check the spelling, or give the fully qualified name."
        )

    def sentence(self) -> str:
        return f"There is no {self.kind} '{self.name}'"


class ConfigurationError(PophealError):
    """A configuration or scenario file can't be used as it is. Nothing was done.

    Attributes:
        source: The file, or what else was read.
        problem: What is wrong in it, and where.
    """

    def __init__(self, *, source: str, problem: str, next_step: str = "") -> None:
        self.source, self.problem = source, problem
        super().__init__(source, problem)
        self.next_step = next_step or "Correct it and try again; nothing was done."

    def sentence(self) -> str:
        return f"{self.source}: {self.problem}"


class InvalidValue(ConfigurationError, ValueError):
    """A value is not what it may be, in a file, in JSON, or given by a program.

    Attributes:
        path: The keys that lead to it, its own the last; a number counts the entries of a list,
            from 0. An empty key at the end means the table itself.
        seen: What is wrong with it, after its name.
    """

    def __init__(
        self, *, source: str, path: tuple[str | int, ...], seen: str, next_step: str = ""
    ) -> None:
        self.path = path
        self.seen = seen
        super().__init__(
            source=source, problem=f"{_place(path)} {seen}".lstrip(), next_step=next_step
        )


class WrongArguments(ConfigurationError, TypeError):
    """A record was not made as it can be: a value without a name, an unknown one, or one missing.

    Attributes:
        record: The class.
    """

    def __init__(self, *, record: str, problem: str, next_step: str) -> None:
        self.record = record
        super().__init__(source=record, problem=problem, next_step=next_step)

    def sentence(self) -> str:
        return f"{self.source} {self.problem}"


def _place(path: tuple[str | int, ...]) -> str:
    """A key, for people: ``[faults[1].cure] restarts``."""
    names: list[str] = []
    for part in path:
        if isinstance(part, int):
            names[-1] += f"[{part + 1}]"
        else:
            names.append(part)
    *tables, key = names or ["it"]
    return f"[{'.'.join(tables)}] {key}".rstrip() if tables else key


class JournalError(PophealError):
    """The journal can't be read or written, so nothing more is done: no effect without it.

    Attributes:
        journal: Its path.
        problem: What is wrong with it.
    """

    def __init__(self, *, journal: str, problem: str, next_step: str = "") -> None:
        self.journal, self.problem = journal, problem
        super().__init__(journal, problem)
        self.next_step = next_step or "Mend it, or give another path, then: popheal resume."

    def sentence(self) -> str:
        return f"The journal {self.journal} {self.problem}"


class JournalLost(JournalError):
    """The file that was opened is no longer there under its name, or is not this process's own."""


class Fenced(JournalError):
    """Another process has taken this healing over; this one does nothing more.

    Attributes:
        healing: The healing.
    """

    def __init__(self, *, journal: str, healing: str) -> None:
        self.healing = healing
        super().__init__(
            journal=journal,
            problem=f"says that another process has taken over healing {healing}, or ended it",
            next_step=f"This process has stopped. See how it goes on: popheal show {healing}.",
        )


class Detached(PophealError):
    """A healing was broken off in good order, as the program had to end. Nothing is put back.

    Attributes:
        run: The healing; empty if it had not begun.
    """

    def __init__(self, *, run: str) -> None:
        self.run = run
        super().__init__(run)
        self.next_step = f"Go on with it: popheal resume {run}." if run else ""

    def sentence(self) -> str:
        return f"Healing {self.run} was left as it is" if self.run else "Left before anything began"


class AlreadyRunning(PophealError):
    """A healing can't be resumed, as a living process is at work on it.

    Attributes:
        healing: The healing.
        server: The server it heals.
        owner: The process.
    """

    def __init__(self, *, healing: str, server: str, owner: str) -> None:
        self.healing, self.server, self.owner = healing, server, owner
        super().__init__(healing, server, owner)
        self.next_step = (
            f"Let it, or stop it: popheal cancel {healing}. If it hangs, end that process first."
        )

    def sentence(self) -> str:
        return f"Healing {self.healing} on {self.server} is being carried out by {self.owner}"


class AlreadyEnded(UnknownName):
    """A healing can't be resumed or stopped, as it has ended.

    Attributes:
        server: The server it healed.
        how: Its verdict, and when it ended.
    """

    def __init__(self, *, healing: str, server: str, how: str) -> None:
        self.server, self.how = server, how
        super().__init__(kind="unfinished healing", name=healing)
        self.next_step = f"See: popheal show {healing}"

    def sentence(self) -> str:
        return f"Healing {self.name} on {self.server} has ended already ({self.how})"


class ApprovalNotPending(PophealError):
    """A plan can't be approved or refused: nobody is asking, or not for that one, or not now.

    Attributes:
        journal: The journal's path.
        run: The run or the healing, as given.
        plan: The plan's hash, as given.
        problem: Why not.
    """

    def __init__(self, *, journal: str, run: str, plan: str, problem: str) -> None:
        self.journal, self.run, self.plan, self.problem = journal, run, plan, problem
        super().__init__(journal, run, plan, problem)
        self.next_step = f"See how it stands: popheal show {run} --journal {journal}."

    def sentence(self) -> str:
        return f"Plan {self.plan} of {self.run} can't be answered: {self.problem}"


class FleetSilent(PophealError):
    """A fleet's Temporal server, or its workers, give no answer: nobody can tell what is there.

    Attributes:
        where: Who was asked.
        problem: What was seen.
    """

    def __init__(self, *, where: str, problem: str, next_step: str) -> None:
        self.where, self.problem, self.next_step = where, problem, next_step
        super().__init__(f"{where} {problem}")


class BackendError(PophealError):
    """A backend could not do, or could not tell, what it was asked.

    The subclass says how much is known, and that alone decides what a run may do next.

    Attributes:
        server: The server the command was about (not necessarily the one connected to).
        command: What was tried, in the product's words, for example ``Get-ServerHealth``.
        cause: What was seen.
        next_step: What the operator can do.
    """

    default_next_step = ""

    def __init__(self, *, server: str, command: str, cause: str, next_step: str = "") -> None:
        self.server, self.command, self.cause = server, command, cause
        super().__init__(server, command, cause)
        self.next_step = next_step or self.default_next_step

    def sentence(self) -> str:
        return f"{self.command} for {self.server}: {self.cause}"


class Unreachable(BackendError):
    """No connection could be made, so nothing was asked and nothing was changed."""

    default_next_step = (
        "Check that the server is up and that its remoting endpoint answers from here."
    )


class NotAuthorised(BackendError):
    """The far side knows who is asking and said no; nothing was changed."""

    default_next_step = (
        "Check the account, its password and its rights; the page "
        '"Configuration and rights" of the documentation lists them.'
    )


class NotBegun(BackendError):
    """The far side looked, and declined before it began; nothing was changed.

    Attributes:
        reason: Why, one word: ``boot_time`` (it has been restarted meanwhile), ``shutdown``
            (somebody else's shutdown is under way or scheduled), ``denied`` (a right is
            missing), ``missing`` (there is no such thing), ``disabled`` (the service is),
            ``wrong_server`` (it was another server that was reached); empty for any other.
    """

    default_next_step = "Nothing was changed; see on the server what it says."

    def __init__(
        self, *, server: str, command: str, cause: str, next_step: str = "", reason: str = ""
    ) -> None:
        self.reason = reason
        super().__init__(server=server, command=command, cause=cause, next_step=next_step)


#: After these nothing was changed by an effect: each promises it.
NOTHING_DONE = (Unreachable, NotAuthorised, NotBegun)


class CommandFailed(BackendError):
    """The far side answered, with an error. What it changed before, only a look can tell."""

    default_next_step = "The far side answered with this error; look there for its cause."


class OutcomeUnknown(BackendError):
    """Sent, and no answer came: it may or may not have been carried out. Never repeat blindly."""

    default_next_step = "Look at the server before anything is tried again."


class Unreadable(BackendError):
    """An answer came that can't be understood. Counts as "could not tell"."""

    default_next_step = "Compare the answer with what your Exchange version is expected to return."


class NotDelivered(PophealError):
    """A report did not reach everybody. It may have reached some, or may still arrive.

    Attributes:
        problems: What is known of each failure; URLs are told apart by their numbers.
    """

    next_step = "Everything that was to be sent is in the report."

    def __init__(self, *, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(*self.problems)

    def sentence(self) -> str:
        return f"Not delivered: {'; '.join(self.problems)}"


class GraphvizMissing(PophealError):
    """The picture needs Graphviz's program ``dot``, and it isn't installed."""

    next_step = (
        "Install Graphviz (Debian: apt install graphviz), or ask for 'svg', 'dot' or 'mermaid'."
    )

    def sentence(self) -> str:
        return "The program 'dot' was not found"


class DrawingFailed(PophealError):
    """Graphviz's program ``dot`` ran and failed.

    Attributes:
        said: What it wrote about it.
    """

    next_step = "Ask for the format 'dot' and see what your version of Graphviz dislikes in it."

    def __init__(self, *, said: str) -> None:
        self.said = said
        super().__init__(said)

    def sentence(self) -> str:
        return f"The program 'dot' failed: {self.said}"
