"""Numbers that can be set: each has a least and a most, which are within what it may be.

So nothing is asked without a pause, and nothing is waited for without end.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from popheal.util.schema import Rule, is_number, is_whole

_A_YEAR: Final = 8760  # hours


def number_of(what: str, least: float, most: float) -> Rule:
    """A number of something between two bounds, which are within it."""
    return Rule(
        f"a number{f' of {what}' if what else ''} from {least:g} to {most:g}",
        lambda value: is_number(value) and least <= value <= most,
        least=least,
        most=most,
    )


#: Of seconds.
seconds: Final = partial(number_of, "seconds")
HOURS: Final = number_of("hours", 0, _A_YEAR)
SHARE: Final = number_of("", 0, 1)


def whole(least: int, most: int) -> Rule:
    """A whole number between two bounds, which are within it."""
    return Rule(
        f"a whole number from {least} to {most}",
        lambda value: is_whole(value) and least <= value <= most,
        least=least,
        most=most,
    )
