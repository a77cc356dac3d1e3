"""Everything the window can be told, each declared once with its key; '?' and the documentation list these."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do: the window's method of that ``name``, called with ``argument`` when there is one."""

    name: str
    keys: tuple[str, ...]
    help: str
    argument: int | None = None


PANELS = ("movie", "timeline", "neural", "embedding", "traces", "score")
"""In the order of their keys."""

ACTIONS = (
    Action("toggle_pause", ("Space",), "pause: freezes the graphs only, decoding and counting go on"),
    Action("follow_live", ("L",), "follow live again"),
    *(
        Action(
            "maximise_panel", (str(index + 1),), f"maximise the {name} panel, or bring the others back", index
        )
        for index, name in enumerate(PANELS)
    ),
    Action("toggle_full_screen", ("F",), "full screen"),
    Action("toggle_theme", ("T",), "dark or light theme"),
    Action("save_screenshot", ("S",), "save a screenshot into the working directory"),
    Action("pick_stream", ("Ctrl+K",), "list the streams on the network"),
    Action("show_latency", ("D",), "show how late each stage is, or hide it"),
    Action("show_keys", ("?", "F1"), "show these keys"),
    Action("escape", ("Esc",), "close what is on top, bring all panels back"),
    Action("close", ("Ctrl+Q",), "quit"),
)
