"""Records the healing of each scenario, and heals the recording: does it end the same way?

``python -m tests.lab.replays`` takes all of them, for as long as that takes; or those named.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from popheal.backends.simulated import load_scenario, scenario_names
from popheal.errors import PophealError
from tests.support.recordings import recorded, replayed, told


def main(names: list[str]) -> int:
    """Print one line a scenario; the number of those that differ."""
    different = 0
    for name in names or scenario_names():
        with tempfile.TemporaryDirectory() as folder:
            try:
                then = recorded(load_scenario(name), Path(folder) / "recording.jsonl")
            except PophealError as error:
                print(f"{name}: nothing to compare: {error}", flush=True)
                continue
            same = told(then.report) == then.as_it_was(replayed(then.path))
        different += not same
        print(f"{name}: {'the same' if same else 'DIFFERENT'}", flush=True)
    return different


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
