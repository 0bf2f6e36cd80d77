"""How all tests run, those of the documentation among them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest

# No deadline: how long one example takes says more about the machine than about popheal.
hypothesis.settings.register_profile("dev", deadline=None, print_blob=True)
# The same examples each time: what has passed for a change passes for it again.
hypothesis.settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
hypothesis.settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
)

#: So many cases of a test are taken, where it is a campaign.
OF_A_CAMPAIGN = 20

#: Tests so marked wait for real servers and processes, by the real clock, for seconds; one in some
#: thousands fails where the machine had no time for it. Such a one is tried once more, and the
#: summary tells of both tries. What goes wrong only once in the others is wrong.
BY_THE_REAL_CLOCK, ONE_TRY = {"lab", "slow"}, {"campaign", "evidence"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-skips",
        action="store_true",
        help="a test that is skipped has failed: for a machine that has all they need",
    )
    parser.addoption(
        "--campaigns",
        action="store_true",
        help="take campaigns whole; else a part of each",
    )
    parser.addoption(
        "--cases",
        type=int,
        metavar="N",
        help="of a test with more cases than this take so many, unless it needs a program",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[Any]:
    report = yield
    return _failed_if_skipped(item.config, report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[Any]:
    report = yield
    return _failed_if_skipped(collector.config, report)


def _failed_if_skipped(config: pytest.Config, report: Any) -> Any:
    # One that is expected to fail counts as skipped, and is none of these.
    if report.skipped and config.getoption("--no-skips") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and nothing may be: {report.longrepr[2]}"
    return report


def fewer(items: list[pytest.Item], most: int) -> list[pytest.Item]:
    """Of the cases of each test at most so many, spread evenly."""
    tests: dict[str, list[pytest.Item]] = {}
    for item in items:
        # What needs a program may have been skipped wherever all other cases were taken.
        alone = item.get_closest_marker("skipif") is not None
        tests.setdefault(item.nodeid if alone else item.nodeid.partition("[")[0], []).append(item)
    return [
        cases[n * len(cases) // min(most, len(cases))]
        for cases in tests.values()
        for n in range(min(most, len(cases)))
    ]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several workers the longest begin first, so that none is left to wait for at the end."""
    campaigns = [one for one in items if one.get_closest_marker("campaign")]
    kept = set(items)
    if not config.getoption("--campaigns"):
        kept -= set(campaigns) - set(fewer(campaigns, OF_A_CAMPAIGN))
    if most := config.getoption("--cases"):
        kept &= set(fewer(items, most))
    config.hook.pytest_deselected(items=[one for one in items if one not in kept])
    items[:] = [one for one in items if one in kept]
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        if marks & BY_THE_REAL_CLOCK and not marks & ONE_TRY:
            item.add_marker(pytest.mark.flaky(reruns=1))
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Each test goes to whichever worker is free; a page of documentation, or a class, to one."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            where = nodeid.partition("[")[0].rpartition("::")[0]
            return where if where.endswith(".md") or "::" in where else nodeid

    return Scheduling(config, log) if config.getvalue("dist") == "load" else None
