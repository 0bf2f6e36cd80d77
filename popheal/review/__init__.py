"""Healings looked back on: one as a page, and what came of those of some time.

``page_of(case_of_report(report, policy=policy))`` makes of a report one file for a browser, a
printer or a screen reader; :func:`case_of_record` makes it of what a journal has, also of a healing
that has not ended. :func:`period_of` counts what a journal has of some time, and
:func:`page_of_period` makes a page of that.
"""

from popheal.review.case import Case, case_of_record, case_of_report
from popheal.review.page import page_of
from popheal.review.period import PastHealing, Period, period_of
from popheal.review.period_page import page_of_period

__all__ = [
    "Case",
    "PastHealing",
    "Period",
    "case_of_record",
    "case_of_report",
    "page_of",
    "page_of_period",
    "period_of",
]
