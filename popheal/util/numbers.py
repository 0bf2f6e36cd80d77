"""Validators of attrs for numbers that people write into a policy."""

from __future__ import annotations

from typing import Any

from attrs import validators

# True is an int to Python, and NaN is neither above nor below anything.
not_a_flag: Any = validators.not_(validators.instance_of(bool))
number: Any = validators.and_(
    validators.instance_of((int, float)),
    not_a_flag,
    validators.ge(0),
    validators.lt(float("inf")),
)
positive: Any = validators.and_(number, validators.gt(0))
count: Any = validators.and_(validators.instance_of(int), not_a_flag, validators.ge(0))
