"""Handovers by mail, chat or pager, sent through apprise (the extra ``notify``).

An address of apprise, a URL, often holds a password or a token. So no URL, nor any part of one,
is ever in what this module raises, logs or shows.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from threading import Thread
from typing import Any, Final

from attrs import field, frozen

from popheal.errors import ConfigurationError, NotDelivered
from popheal.reports.events import Event, HandedOver
from popheal.reports.handover import HANDED_OVER
from popheal.reports.report import Report
from popheal.tables.table import Verdict
from popheal.util.extras import how_to_install
from popheal.util.secrets import Secret


def _type_of(verdict: Verdict) -> str:
    """What apprise calls a verdict; some services show it as a colour."""
    bad = "failure" if verdict is Verdict.ESCALATED else "warning"
    return "success" if verdict.good else bad


def _unusable(problem: str, next_step: str = "") -> ConfigurationError:
    return ConfigurationError(source="notifier", problem=problem, next_step=next_step)


def _secrets(urls: Iterable[Secret | str]) -> tuple[Secret, ...]:
    if isinstance(urls, (str, Secret)):
        # A text can be iterated over too, letter by letter.
        raise _unusable("it was given one URL, where a list is wanted", "Put it into a list.")
    return tuple(Secret(url) if isinstance(url, str) else url for url in urls)


def _verdicts(given: Iterable[Verdict]) -> frozenset[Verdict]:
    return frozenset(given)


@frozen
class Notifier:
    """An observer that sends each handover, as a Markdown page; as plain text where a service shows
    nothing else.

    It waits until that is sent, but no longer than ``timeout``: by then everything is done and
    written down, and only the report is still to be returned. In an asyncio program the event
    loop would wait as well; there, give :meth:`send` the report, in a thread.

    Attributes:
        urls: Where to, each an address that apprise understands.
        verdicts: For which verdicts; by default for all that are handed over.
        timeout: Seconds to wait, for all of them together.

    Raises:
        ConfigurationError: If apprise is not installed, or does not understand a URL.
    """

    urls: tuple[Secret, ...] = field(converter=_secrets)
    verdicts: frozenset[Verdict] = field(default=HANDED_OVER, converter=_verdicts, kw_only=True)
    timeout: float = field(default=20.0, kw_only=True)

    def __attrs_post_init__(self) -> None:
        problem = ""
        if not self.urls:
            problem = "it was given no URL to send to"
        elif never := sorted(one.value for one in self.verdicts - HANDED_OVER):
            problem = f"nothing is ever handed over as {', '.join(never)}"
        elif not self.timeout > 0:
            problem = "timeout must be more than 0 seconds"
        if problem:
            raise _unusable(problem)
        for number, url in enumerate(self.urls, start=1):
            if not _is_understood(url):
                raise _unusable(
                    f"apprise does not understand URL {number} of {len(self.urls)}",
                    "Compare it with what apprise says about the service.",
                )

    def __call__(self, event: Event) -> None:
        if isinstance(event, HandedOver) and event.report.verdict in self.verdicts:
            self.send(event.report, head=event.head)

    def send(self, report: Report, *, head: str | None = None) -> None:
        """Send a report, whatever its verdict.

        Args:
            report: The report.
            head: The journal's last hash, to be noted out of reach of who can write the journal.

        Raises:
            NotDelivered: If it did not get to all of them in time.
        """
        message = {"title": title(report), "notify_type": _type_of(report.verdict)}
        noted = f"\n\nThe journal's last hash: {head}\n" if head else ""
        markdown = {"body": report.to_markdown() + noted, "body_format": "markdown"}
        text = {"body": report.to_text() + noted, "body_format": "text"}
        deliveries = [_Delivery(url, message | markdown, message | text) for url in self.urls]
        late = f"no answer within {self.timeout:g} s, it may still arrive"
        try:
            for one in deliveries:
                one.start()
            deadline = time.monotonic() + self.timeout
            for one in deliveries:
                one.join(max(0.0, deadline - time.monotonic()))
        except KeyboardInterrupt:
            # As in a pause of a healing: the first one says stop, and here that is to wait.
            late = "a person broke off the waiting, it may still arrive"
        problems = [
            f"URL {number} of {len(deliveries)}: {late if one.problem is None else one.problem}"
            for number, one in enumerate(deliveries, start=1)
            if one.problem != ""
        ]
        if problems:
            raise NotDelivered(problems=problems)


def title(report: Report) -> str:
    """One line for a subject or a title; of the server's name, what such a name may have."""
    server = re.sub(r"[^\w.-]", "?", report.server)[:100]
    return f"popheal: {report.verdict.value.replace('_', ' ')}: {server}"


class _Delivery(Thread):
    """One message on its way to one URL.

    A thread for each, so that none waits for another; and none keeps the program from exiting.
    """

    def __init__(self, url: Secret, markdown: Mapping[str, Any], text: Mapping[str, Any]) -> None:
        super().__init__(name="popheal-notifier", daemon=True)
        self._url = url
        self._markdown = markdown
        self._text = text
        #: What went wrong; empty if nothing did, None as long as nobody knows.
        self.problem: str | None = None

    def run(self) -> None:
        _ours.set(True)
        try:
            self.problem = self._sent()
        except BaseException as error:  # noqa: BLE001 - whatever it is, its text may hold the URL
            self.problem = f"{type(error).__name__} was raised"

    def _sent(self) -> str:
        import apprise

        # One after the other means: in this thread. What has a limit goes into threads of a pool,
        # and for those the program would wait when it exits.
        asset = apprise.AppriseAsset(async_mode=False, service_timeout=0)
        service = apprise.Apprise.instantiate(self._url.reveal(), asset=asset)
        if service is None:
            return "apprise does not understand it any more"
        sender = apprise.Apprise(asset=asset)
        sender.add(service)
        message = self._text if _shows_only_text(service) else self._markdown
        return "" if sender.notify(**message) else "the message was not taken"


def _shows_only_text(service: Any) -> bool:
    """Whether a service shows what it is sent as it is, so that Markdown is full of marks there."""
    shown = getattr(service, "notify_format", "text")
    formats = [shown] if isinstance(shown, str) else shown
    return all(str(getattr(one, "value", one)) == "text" for one in formats)


# --- apprise -------------------------------------------------------------------------------------

#: Set while apprise works for us.
_ours: ContextVar[bool] = ContextVar("popheal_notifying", default=False)

#: Loggers that name hosts, paths and parameters: at DEBUG, or when something goes wrong.
_INDISCREET: Final = (
    "apprise",
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.util.retry",
)


def _withhold(_record: logging.LogRecord) -> bool:
    """A filter: what is logged about our URLs goes nowhere, what others log isn't touched."""
    return not _ours.get()


def _is_understood(url: Secret) -> bool:
    try:
        import apprise
    except ImportError:
        raise _unusable("apprise is not installed", how_to_install("notify")) from None
    for name in _INDISCREET:
        logging.getLogger(name).addFilter(_withhold)
    token = _ours.set(True)
    try:
        return apprise.Apprise.instantiate(url.reveal()) is not None
    except Exception:  # noqa: BLE001 - its text may hold the URL
        return False
    finally:
        _ours.reset(token)
