"""Tables that go round in circles, which no procedure may: the text of the runbook does."""

from __future__ import annotations

from popheal.tables.table import LAWS, Procedure, check_laws, no_state_comes_round_again


class Circular(Procedure):
    """A table that keeps every law but the one against circles."""

    def __attrs_post_init__(self) -> None:
        check_laws(self, [law for law in LAWS if law is not no_state_comes_round_again])
