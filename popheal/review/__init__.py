"""Healings looked back on: one as a page, and what came of many.

``page_of(case_of_report(report, policy=policy))`` makes of a report one file for a browser, a
printer or a screen reader; :func:`case_of_record` makes it of what a journal has, also of a healing
that has not ended.
"""

from popheal.review.case import Case, case_of_record, case_of_report
from popheal.review.page import page_of

__all__ = ["Case", "case_of_record", "case_of_report", "page_of"]
