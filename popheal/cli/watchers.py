"""Who watches a watch: the observers that a monitor, or Prometheus, gets its numbers from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from popheal.errors import ConfigurationError

if TYPE_CHECKING:
    from popheal.reports.events import Observer


@contextmanager
def watched_by(
    health_file: Path | None, metrics_port: int | None, journal: Path | None
) -> Iterator[list[Observer]]:
    """Those that were asked for; what serves numbers does so while this lasts.

    Raises:
        ConfigurationError: If the file can't be written, the port can't be had, or what serves
            numbers is not installed.
    """
    found: list[Observer] = []
    if health_file is not None:
        from popheal.observers.health_file import HealthFile

        found.append(HealthFile(health_file))
    if metrics_port is None:
        yield found
        return
    from popheal.observers.metrics import Metrics

    metrics = Metrics(journal=journal)
    from prometheus_client import start_http_server

    try:
        server, thread = start_http_server(metrics_port, "127.0.0.1", metrics.registry)
    except OSError as error:
        raise ConfigurationError(
            source="--metrics-port",
            problem=f"{metrics_port} can't be had ({error.strerror})",
            next_step="Name a port that no other program has.",
        ) from error
    try:
        yield [*found, metrics]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
