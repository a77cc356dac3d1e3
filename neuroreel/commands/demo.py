"""``neuroreel demo``: replay, decode and show the bundled recording."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neuroreel.click_types import NumberRange
from neuroreel.files import OUTPUT, FileCommand
from neuroreel.options import json_option
from neuroreel.terminal import echo_live

if TYPE_CHECKING:
    from gui.state.snapshot import Snapshot

HEADLESS_SECONDS = 30.0
NAME = "V1"


@click.command(cls=FileCommand)
@click.option(
    "--headless",
    is_flag=True,
    help="Print a live table instead of opening a window; save a screenshot at the end.",
)
@click.option(
    "--seconds",
    type=NumberRange(min=1),
    metavar="SECONDS",
    help=f"Stop after this many seconds [default: when the window is closed; with --headless {HEADLESS_SECONDS:g}].",
)
@click.option(
    "--screenshot",
    metavar="FILE",
    type=OUTPUT,
    help="Save a picture of the window (PNG) at the end.",
)
@json_option
def command(
    headless: bool, seconds: float | None, screenshot: Path | None, json_target: str | None, force: bool
) -> None:
    """Replay the bundled recording over LSL, decode it live in another process and show the result.

    The recording is simulated, and nothing leaves this computer. The replay sends the two test repeats of the movie,
    which the model was not trained on: one in order, one with shuffled scenes, a pause, a jump and a rewind. When one
    has ended, the model is refitted with it; from the second round on, it decodes what it has been trained on, and says
    so.
    """
    import json
    import tempfile
    import time
    import uuid
    from dataclasses import asdict

    started = time.monotonic()
    from gui.app import run_display
    from gui.qt_setup import has_screen
    from neuroreel.options import write_json
    from neuroreel.subprocesses import start_child
    from replay_data.bundle import TEST_REPEATS, demo_model, demo_recording
    from stream.lsl.network import configure

    echo = partial(echo_live, err=json_target == "-")
    if not headless and not has_screen():
        echo("No screen found: the window is drawn in memory, as with --headless.")
        headless = True
    if headless:
        seconds = seconds or HEADLESS_SECONDS
        screenshot = screenshot or Path(time.strftime("neuroreel-demo-%Y%m%d-%H%M%S.png"))
        echo(_HEADING)
    configure("loopback", f"demo-{uuid.uuid4().hex[:12]}")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "live.json"
        sender = ["replay", str(demo_recording()), "--name", NAME, "--repeats", TEST_REPEATS, "--loop"]
        replay = start_child(sender, control=True)
        decoder = ["live", str(demo_model()), "--stream", NAME, "--rolling", "--await-consumer", "10"]
        engine = start_child([*decoder, "--json", str(report)], control=True)
        opened = time.monotonic()
        try:
            summary = run_display(
                NAME,
                demo_model(),
                screenshot=screenshot,
                seconds=seconds,
                offscreen=headless,
                force=force,
                on_tick=partial(_print_row, echo) if headless else None,
            )
        finally:
            engine.stop()
            replay.stop()
        live: dict[str, Any] = json.loads(report.read_text()) if report.exists() else {}
    result = {
        "first_decoded_frame_s": opened - started + summary.first_prediction_s,
        "screenshot": str(screenshot) if screenshot is not None else None,
        "display": asdict(summary),
        "live": live,
    }
    if json_target is not None:
        write_json(result, json_target)
    if json_target != "-":
        _print_result(result)


_HEADING = "   time   on screen   decoded  confidence   forecast  correct within 1 s   latency p50 / p99"


def _print_row(echo: Callable[[str], None], snapshot: Snapshot) -> None:
    """Print one row of the live table."""
    newest, score, counts = snapshot.newest, snapshot.score, snapshot.counts
    if newest is None:
        echo(f"{'':7}   {snapshot.state}: {snapshot.reason}")
        return
    so_far = f"{score.within:6.1%} (chance {score.chance:4.0%})" if score is not None else "-"
    seconds = counts.received / snapshot.source.rate_hz if snapshot.source.rate_hz else 0.0
    echo(
        f"{seconds:6.1f}s   {_frame(newest.truth):>9} {_frame(newest.frame):>9}   {newest.confidence:9.0%}  "
        f"{_frame(newest.next_frame):>9}  {so_far:>18}   {counts.latency_p50_ms:6.2f} / {counts.latency_p99_ms:5.2f} ms"
    )


def _frame(frame: int) -> str:
    return str(frame) if frame >= 0 else {-1: "blank"}.get(frame, "?")


def _print_result(result: dict[str, Any]) -> None:
    display = result["display"]
    echo_live("", err=False)
    echo_live(
        f"First frame decoded after {result['first_decoded_frame_s']:.1f} s; {display['received']} predictions "
        f"received, {display['dropped']} dropped; window refreshed at {display['painted_fps']:.0f} Hz."
    )
    score = result["live"].get("score")
    for name in ("with_playback", "without_playback") if score else ():
        figures = score[name]
        echo_live(
            f"  {name.replace('_', ' '):<17} within 1 s {figures['accuracy_within_1s']:.3f}   exact "
            f"{figures['accuracy_exact']:.3f}   (simulated recording, {score['moments']} test moments)"
        )
    if score:
        echo_live(f"  {'chance':<17} within 1 s {display['chance']:.3f}")
    if result["screenshot"]:
        echo_live(f"Screenshot saved to {result['screenshot']}.")
