from __future__ import annotations

import math
import uuid

import pylsl
import pytest

from stream.lsl.clock_offset import ClockOffset
from stream.lsl.resolve import find_stream
from tests.stream.lsl.streams import spike_outlet


@pytest.mark.live
def test_the_offset_of_a_sender_on_this_computer_is_close_to_zero() -> None:
    name = uuid.uuid4().hex
    outlet = spike_outlet(name)
    inlet = pylsl.StreamInlet(find_stream(name, wait_s=60), recover=False)
    clock = ClockOffset()
    assert math.isnan(clock.offset_s)
    assert clock.measure(inlet, 3.0)
    assert abs(clock.offset_s) < 0.01
    assert 0 <= clock.uncertainty_s < 0.1
    measured = clock.offset_s
    assert clock.measure(inlet)  # without waiting
    assert clock.offset_s == pytest.approx(measured, abs=0.01)
    del outlet
