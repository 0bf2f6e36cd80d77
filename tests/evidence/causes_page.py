"""The table of causes as a page of the documentation, made from the table itself.

Write it again: ``python -m tests.evidence.causes_page > docs/causes.md``.
"""

from __future__ import annotations

from collections.abc import Iterator

from popheal.healthsets.pop.causes import CAUSES, Cause, Helps

_SECTIONS = {
    Helps.NOTHING: (
        "Neither a restart nor a reboot helps",
        "Where one of these is named, a person is told, and nothing is changed.",
    ),
    Helps.SERVICE_RESTART: (
        "A restart of the service may help, a reboot does not",
        "The POP3 service is restarted. The server is not drained, and not rebooted.",
    ),
    Helps.UNDECIDED: (
        "Words with several causes",
        "They change nothing. The report says which look would decide.",
    ),
}

_HEAD = """# Causes

Made from `popheal/healthsets/pop/causes.py` by `tests.evidence.causes_page`; a change here is lost.

The runbook says that the message details name the cause in most cases. popheal reads them
wherever they are told: in the error and exception of the probe that it reruns, in the monitor's
row of `Get-ServerHealth`, in the text of the alert, in the lines of the protocol log that are the
probe's own, and in the recovery actions of Managed Availability.

**Words forbid, they never permit.** A cause that is named here takes steps away; a text that is not
known changes nothing. Of several causes the one that forbids most counts. What is matched are
codes, `Error=` and `ErrMsg=` values and types of exceptions, as sentences are in the language of
the server.

Your [policy](configuration.md) can add causes of your own, with `[[policy.causes]]`:

```toml
[[policy.causes]]
name = "Our load balancer"
pattern = 'LB-\\d+'             # a regular expression, without case
says = "the load balancer has no member left"
next_step = "Call the network team."
helps = "nothing"              # or "service_restart", or "undecided"
```
"""


def causes_markdown() -> str:
    """The page."""
    return "\n".join([_HEAD, *_body()]) + "\n"


def _body() -> Iterator[str]:
    for helps, (title, about) in _SECTIONS.items():
        yield f"## {title}\n\n{about}\n"
        yield "| Cause | Known by | What it means | What to do | Seen |"
        yield "| --- | --- | --- | --- | --- |"
        yield from (_line(one) for one in CAUSES if one.helps is helps)
        yield ""


def _line(one: Cause) -> str:
    says = one.says[:1].upper() + one.says[1:]
    cells = [one.name, f"`{one.pattern}`", f"{says}.", one.next_step, one.source]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    print(causes_markdown(), end="")
