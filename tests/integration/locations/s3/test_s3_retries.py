"""A store in trouble is asked again, later each time, and not for ever."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from ansible_collections.mobul.backup.plugins.module_utils._core.errors import LocationError
from botocore.retries.standard import ExponentialBackoff
from support.s3_proxy import Forward, Reply, Request, error, held, reset

from .conftest import LARGE, SMALL, Place, nothing_is_left, real_delay

TROUBLES = {
    "500": error(500, "InternalError", "We encountered an internal error"),
    "503": error(503, "SlowDown", "Please reduce your request rate"),
    "reset": reset,
    "200 with an error in it": error(200, "InternalError", "We encountered an internal error"),
}
STEPS = ["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"]
CASES = [(step, trouble) for step in STEPS for trouble in TROUBLES]


def size_for(operation: str) -> bytes:
    return SMALL if operation == "PutObject" else LARGE


@pytest.mark.sampled(6)
@pytest.mark.parametrize(("operation", "trouble"), CASES)
def test_passing_trouble_is_survived(place: Place, operation: str, trouble: str) -> None:
    place.proxy.inject(operation, TROUBLES[trouble], times=2)
    receipt = place.location.put("set/object", size_for(operation))
    assert receipt.proof == "md5"
    assert place.stored() == {"set/object": size_for(operation)}
    assert list(place.location.leftovers("")) == []


@pytest.mark.sampled(2)
@pytest.mark.parametrize("operation", STEPS)
def test_an_answer_that_takes_too_long_is_not_waited_for(place_of: Callable[..., Place], operation: str) -> None:
    place = place_of(stall_timeout=1)
    # The first request is answered when all is done.
    with held() as action:
        place.proxy.inject(operation, action, times=1)
        place.location.put("set/object", size_for(operation))
        assert place.stored() == {"set/object": size_for(operation)}


@pytest.mark.sampled(6)
@pytest.mark.parametrize(("operation", "trouble"), CASES)
def test_lasting_trouble_ends_after_five_tries(place: Place, operation: str, trouble: str) -> None:
    place.proxy.inject(operation, TROUBLES[trouble])
    with pytest.raises(LocationError) as failure:
        place.location.put("set/object", size_for(operation))
    assert failure.value.transient
    assert failure.value.location == "s3"
    part_numbers = {str(request.query.get("partNumber")) for request in place.proxy.of(operation)}
    assert len(place.proxy.of(operation)) <= 5 * len(part_numbers)
    assert nothing_is_left(place)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("operation", STEPS)
def test_a_store_that_never_answers_is_given_up_after_a_second_try(
    place_of: Callable[..., Place], operation: str
) -> None:
    place = place_of(stall_timeout=1)
    with held() as action:
        place.proxy.inject(operation, action)
        with pytest.raises(LocationError, match=r"no byte for 1 s \(stall_timeout\)") as failure:
            place.location.put("set/object", size_for(operation))
    assert failure.value.transient
    tries = Counter(str(request.query.get("partNumber")) for request in place.proxy.of(operation))
    assert max(tries.values()) == 2
    assert nothing_is_left(place)


@pytest.mark.parametrize("trouble", ["500", "503"])
def test_each_try_waits_twice_as_long_as_the_one_before(
    place: Place, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    asked: list[float] = []
    arrived: list[float] = []

    def waits(backoff: Any, context: Any) -> float:
        # Without chance, and on a scale that a test can afford.
        backoff._random = lambda: 1.0
        asked.append(real_delay(backoff, context))
        return 0.02 * asked[-1] / asked[0]

    def timed(request: Request, forward: Forward) -> Reply:
        arrived.append(time.monotonic())
        return TROUBLES[trouble](request, forward)

    monkeypatch.setattr(ExponentialBackoff, "delay_amount", waits)
    place.proxy.inject("PutObject", timed)
    with pytest.raises(LocationError):
        place.location.put("set/object", SMALL)
    assert [later / earlier for earlier, later in pairwise(asked)] == pytest.approx([2, 2, 2])
    gaps = [later - earlier for earlier, later in pairwise(arrived)]
    assert [gap >= least for gap, least in zip(gaps, (0.02, 0.04, 0.08, 0.16), strict=True)] == [True] * 4
