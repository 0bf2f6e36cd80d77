"""``popheal fleet serve``: the same API as over a journal, tried by the same tests, and more."""

from __future__ import annotations

import pytest

pytest.importorskip("temporalio", reason="needs the extra 'temporal'")
pytest.importorskip("starlette", reason="needs popheal[serve]")
pytest.importorskip("uvicorn", reason="needs popheal[serve]")

from tests.serve import test_serve as over_http
from tests.support.gateway import over_fleet
from tests.support.served import Served

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(fleet):
    service = Served(over_fleet(fleet))
    try:
        yield service
    finally:
        service.end()


# One API: what holds over a journal holds here, in this order.
asked = over_http.asked
test_the_same_alert_is_one_healing = over_http.test_the_same_alert_is_one_healing
test_a_server_that_is_well_is_left_alone = over_http.test_a_server_that_is_well_is_left_alone
test_an_unknown_server_can_not_be_looked_at = over_http.test_an_unknown_server_can_not_be_looked_at
test_other_paths_and_methods = over_http.test_other_paths_and_methods
test_the_beginning_of_an_id_is_not_enough = over_http.test_the_beginning_of_an_id_is_not_enough
test_what_has_not_ended_is_told_likewise = over_http.test_what_has_not_ended_is_told_likewise
test_half_a_character_is_no_defect = over_http.test_half_a_character_is_no_defect
test_who_approves_is_the_owner_of_the_token = over_http.test_who_approves_is_the_owner_of_the_token
test_a_plan_is_refused_and_a_healing_stopped = (
    over_http.test_a_plan_is_refused_and_a_healing_stopped
)
test_no_token_is_told_to_anybody = over_http.test_no_token_is_told_to_anybody
