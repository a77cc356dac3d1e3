"""With outlets of the same process; used in `test_side_streams`."""

from __future__ import annotations

import uuid

import pytest

from stream.acquisition.side_stream import MAX_LABEL_COLUMNS, opened_inlet
from stream.errors import ShapeMismatch
from stream.lsl.outlet import make_outlet
from stream.lsl.resolve import find_stream

pytestmark = pytest.mark.live


@pytest.mark.parametrize(
    ("type_", "kind", "n", "fmt", "text"),
    [
        ("Stimulus", "stimulus", 1, "string", r"numbers \(frame, repeat\)"),
        ("Label", "label", 2, "string", "must carry numbers"),
        ("Label", "label", MAX_LABEL_COLUMNS + 1, "float32", f"at most {MAX_LABEL_COLUMNS} channels"),
    ],
)
def test_a_stream_of_another_shape_than_its_kind_is_refused(
    type_: str, kind: str, n: int, fmt: str, text: str
) -> None:
    name = f"shape-{uuid.uuid4().hex[:8]}"
    outlet = make_outlet(name, type_, [f"c{i}" for i in range(n)], 0, fmt, role="rig")
    with pytest.raises(ShapeMismatch, match=text):
        opened_inlet(find_stream(name), kind, 0.0)
    del outlet


@pytest.mark.parametrize("fmt", ["string", "int32"])
def test_markers_may_be_text_or_numbers_and_a_stream_that_is_gone_is_none(fmt: str) -> None:
    name = f"shape-{uuid.uuid4().hex[:8]}"
    outlet = make_outlet(name, "Markers", ("m",), 0, fmt, role="rig")
    info = find_stream(name)
    inlet = opened_inlet(info, "markers", 0.0)
    assert inlet is not None
    assert inlet.carries_text == (fmt == "string")
    inlet.close()
    del outlet
    assert opened_inlet(info, "markers", 0.0) is None
