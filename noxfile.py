"""Every job of this project, by its name: ``nox -l`` lists them, ``nox -s lint`` does one."""

import nox

nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False  # a version that is not here is skipped
nox.options.sessions = ["lint", "types", "docs", "diagrams", "fast"]

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
LOCK = "tests/locked.txt"
BENCHMARKS = (
    "import_time",
    "transitions_cost",
    "journal_cost",
    "sleeping_runs",
    "recovery",
    "remote_call",
    "fleet",
)


def install(session: nox.Session, within: str = LOCK) -> None:
    """Install all that developing needs, in the versions of a file; not with ``-db none``."""
    if session.venv_backend != "none":
        session.install("--editable", ".[dev]", "--constraint", within)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests, and the examples of the documentation."""
    install(session)
    session.run("pytest", *session.posargs)


@nox.session
def fast(session: nox.Session) -> None:
    """The tests that take little time."""
    install(session)
    session.run("pytest", "-m", "not slow", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """What the fast tests reach of engine, tables and journal, branches too: a floor."""
    install(session)
    session.run("pytest", "-n", "2", "-m", "not slow", "--cov", "--cov-report=")
    rooms = "popheal/engine/*,popheal/tables/*,popheal/journal/*"
    session.run("coverage", "report", f"--include={rooms}", "--fail-under=94")


@nox.session(python=PYTHONS[0])
def oldest(session: nox.Session) -> None:
    """All tests, with the oldest versions that pyproject.toml allows."""
    install(session, within="tests/oldest.txt")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Rules, format, and who may import whom."""
    install(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Types: of the package on each system, and of the public names as users see them."""
    install(session)
    for system in ("linux", "win32", "darwin"):
        session.run("mypy", "--platform", system)
    session.run("mypy", "--strict", "tests/typing/api.py")
    session.run("pyright")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, in which a warning is an error."""
    install(session)
    session.run("sphinx-build", "-q", "-n", "-W", "-b", "html", "docs", "docs/_build/html")


@nox.session
def diagrams(session: nox.Session) -> None:
    """Draw the tables anew: is what is committed up to date? Needs Graphviz."""
    install(session)
    session.run("popheal", "diagram", "--all", "--output", "diagrams")
    session.run("python", "-m", "tests.evidence.run_picture")
    # What Graphviz draws differs between its versions: a test compares the structure.
    drawn = ("diagrams", "docs/_static", ":!diagrams/*-full.svg")
    session.run("git", "diff", "--exit-code", "--", *drawn, external=True)


@nox.session
def audit(session: nox.Session) -> None:
    """Known vulnerabilities of the locked versions. Asks a service on the network."""
    session.install("pip-audit>=2.10")
    session.run("pip-audit", "--no-deps", "--disable-pip", "--requirement", LOCK)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """What things cost; with names, only those."""
    install(session)
    for name in session.posargs or BENCHMARKS:
        session.run("python", f"tests/benchmarks/{name}.py")


@nox.session
def lock(session: nox.Session) -> None:
    """Pin the newest versions anew, in tests/locked.txt. Asks the package index."""
    session.install("uv>=0.5")
    session.run("uv", "pip", "compile", "pyproject.toml", "--upgrade", "--quiet", "--universal",
        "--python-version=3.11", "--extra=dev", "--extra=kerberos", "--extra=keyring",
        "--no-emit-index-url", "--no-annotate", "--custom-compile-command=nox -s lock",
        f"--output-file={LOCK}")  # fmt: skip
