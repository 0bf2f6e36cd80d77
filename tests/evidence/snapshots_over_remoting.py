"""Whether the plan over a snapshot is the plan over the organisation, for every scenario.

    python -m tests.evidence.snapshots_over_remoting [SCENARIO ...]

The snapshot is taken over PowerShell remoting on loopback, and both plans are made over it. It
takes some five minutes. Exits with 1 if one differs.
"""

from __future__ import annotations

import sys

from popheal.backends.simulated import scenario_names
from tests.support.snapshots import check_over_remoting

#: Where nobody may look, there is no snapshot.
CLOSED = {"not-authorised"}


def main(names: list[str]) -> int:
    """Try each, and say which differ."""
    wrong = []
    for name in names or sorted({*scenario_names()} - CLOSED):
        try:
            check_over_remoting(name)
        except AssertionError as error:
            wrong.append(name)
            print(f"{name}: {error}")
    print(f"{len(wrong)} differ")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
