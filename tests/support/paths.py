"""Where the project lies, and what of it several tests go over."""

from pathlib import Path

ROOT = Path(__file__).parents[2]


def what_ifs():
    """The scenarios of organisations that people have met."""
    return sorted((ROOT / "tests" / "samples" / "cases" / "whatifs").glob("*.toml"))
