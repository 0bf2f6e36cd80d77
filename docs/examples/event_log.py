"""An observer that writes what a person must know into a log of numbered events.

On Windows that is the event log, by ``logging.handlers.NTEventLogHandler`` (which needs pywin32):

    import logging.handlers
    observer = EventLog(logging.handlers.NTEventLogHandler("popheal"))
    healer = popheal.Healer(backend, journal=journal, observers=[observer])
"""

import logging

from popheal import Event, Verdict
from popheal.reports.events import EffectIntended, HandedOver, HealingEnded

#: By what happened: the number of the event.
NUMBERS = {EffectIntended.name: 100, HealingEnded.name: 200, HandedOver.name: 300}


class EventLog:
    """An observer: what is about to be changed, how a healing ended, and what is handed over.

    Args:
        handler: Where to. Its ``getMessageID`` gives the number of the event.
    """

    def __init__(self, handler: logging.Handler) -> None:
        handler.getMessageID = lambda record: record.number
        self._handler = handler

    def __call__(self, event: Event) -> None:
        number = NUMBERS.get(event.name)
        if number is None:
            return
        level, text = logging.INFO, ""
        if isinstance(event, EffectIntended):
            text = f"{event.server}: {event.command}"
        elif isinstance(event, HealingEnded):
            text = f"{event.server}: {event.verdict.value}: {event.summary}"
        elif isinstance(event, HandedOver):
            escalated = event.report.verdict is Verdict.ESCALATED
            level = logging.ERROR if escalated else logging.WARNING
            text = event.report.to_text()
        said = {"levelno": level, "levelname": logging.getLevelName(level), "msg": text}
        self._handler.handle(logging.makeLogRecord({**said, "name": "popheal", "number": number}))
