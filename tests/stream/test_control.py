from __future__ import annotations

import os

from stream.control import ControlReader


def test_commands_may_arrive_in_pieces_and_the_end_of_input_is_stop() -> None:
    read, write = os.pipe()
    control = ControlReader(read)
    assert control.poll() is None
    os.write(write, b'{"do": "pause"}\n\nnot json\n[1]\n{"do": "seek", "s": 3}\n{"do": ')
    assert control.poll() == {"do": "pause"}
    assert control.poll() == {"do": "seek", "s": 3}
    assert control.poll() is None
    os.write(write, b'"resume"}\n')
    assert control.poll(1.0) == {"do": "resume"}
    os.close(write)
    assert control.poll(1.0) == {"do": "stop"}
    assert control.poll(0.0) is None
    os.close(read)
