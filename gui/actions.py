"""The actions of the window, each declared once with its keys; '?' and the documentation list them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Action:
    """An action: calls the window's method ``name``, with ``argument`` when there is one."""

    name: str
    keys: tuple[str, ...]
    help: str
    argument: int | None = None


PANELS = ("movie", "timeline", "neural", "embedding", "traces", "score")
"""Names of the panels, in the order of their keys."""

ACTIONS = (
    Action("toggle_pause", ("Space",), "pause: freezes the graphs only; decoding continues"),
    Action("follow_live", ("L",), "follow live"),
    *(
        Action("maximise_panel", (str(index + 1),), f"maximise the {name} panel, or show all panels", index)
        for index, name in enumerate(PANELS)
    ),
    Action("toggle_full_screen", ("F",), "full screen"),
    Action("toggle_theme", ("T",), "dark or light theme"),
    Action("save_screenshot", ("S",), "save a screenshot into the working directory"),
    Action("pick_stream", ("Ctrl+K",), "list the streams on the network"),
    Action("show_latency", ("D",), "show or hide the latency of each stage"),
    Action("show_keys", ("?", "F1"), "show these keys"),
    Action("escape", ("Esc",), "close the dialog on top, show all panels"),
    Action("close", ("Ctrl+Q",), "quit"),
)
