"""``neuroreel demo``: the main job on the bundled recording."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neuroreel.options import json_option

if TYPE_CHECKING:
    from gui.snapshot import Snapshot

HEADLESS_SECONDS = 30.0
NAME = "V1"


@click.command()
@click.option(
    "--headless", is_flag=True, help="No window on the screen: a live table, and a screenshot at the end."
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    help=f"How long to decode [default: until the window is closed; headless {HEADLESS_SECONDS:g}].",
)
@click.option(
    "--screenshot", type=click.Path(path_type=Path), help="Where to save the window as PNG at the end."
)
@json_option
def command(
    headless: bool, seconds: float | None, screenshot: Path | None, json_target: str | None, force: bool
) -> None:
    """Replay the bundled recording over LSL, decode it live in another process, and show it.

    Everything stays on this computer. The recording is simulated; what is replayed is its two test showings, which the
    model has never seen: one in order, one with its scenes shuffled, with a pause, a jump and a rewind.
    """
    import json
    import tempfile
    import time
    import uuid

    started = time.monotonic()
    from neuroreel.children import start_child
    from neuroreel.options import write_json
    from replay_data.bundle import TEST_REPEATS, demo_model, demo_recording
    from stream.network import configure

    configure("loopback", f"demo-{uuid.uuid4().hex[:12]}")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "live.json"
        replay = start_child(
            [
                "replay", str(demo_recording()), "--name", NAME, "--repeats", TEST_REPEATS, "--loop", "--simulated",
            ],
            control=True,
        )  # fmt: skip
        engine = start_child(
            ["live", str(demo_model()), "--stream", NAME, "--await-consumer", "10", "--json", str(report)],
            control=True,
        )
        try:
            headless, screenshot, summary = _watch(headless, seconds, screenshot, force)
        finally:
            engine.stop()
            replay.stop()
        live: dict[str, Any] = json.loads(report.read_text()) if report.exists() else {}
    result = {
        "first_decoded_frame_s": summary["first_prediction_s"] + summary["opened_after_s"] - started,
        "screenshot": str(screenshot) if screenshot is not None else None,
        "display": {key: value for key, value in summary.items() if key != "opened_after_s"},
        "live": live,
    }
    if json_target is not None:
        write_json(result, json_target)
    if json_target != "-":
        _print_result(result)


def _watch(
    headless: bool, seconds: float | None, screenshot: Path | None, force: bool
) -> tuple[bool, Path | None, dict[str, Any]]:
    """Run the window in this process; headless it is painted in memory while a table is printed."""
    import time
    from dataclasses import asdict

    from gui.app import run_display
    from gui.screen import has_screen
    from replay_data.bundle import demo_model

    if not headless and not has_screen():
        click.echo("There is no screen, so the window is painted in memory.")
        headless = True
    if headless:
        seconds = seconds or HEADLESS_SECONDS
        screenshot = screenshot or Path(time.strftime("neuroreel-demo-%Y%m%d-%H%M%S.png"))
        click.echo(_HEADING)
    opened = time.monotonic()
    summary = run_display(
        NAME,
        demo_model(),
        screenshot=screenshot,
        seconds=seconds,
        offscreen=headless,
        force=force,
        on_tick=_print_row if headless else None,
    )
    return headless, screenshot, {"opened_after_s": opened, **asdict(summary)}


_HEADING = "   time   on screen   decoded  confidence    in +1 s  within 1 s so far   latency p50 / p99"


def _print_row(snapshot: Snapshot) -> None:
    """One line of the live table."""
    newest, score, counts = snapshot.newest, snapshot.score, snapshot.counts
    if newest is None:
        click.echo(f"{'':7}   {snapshot.state}: {snapshot.reason}")
        return
    so_far = f"{score.within:6.1%} (chance {score.chance:4.0%})" if score is not None else "-"
    seconds = counts.received / snapshot.source.rate_hz if snapshot.source.rate_hz else 0.0
    click.echo(
        f"{seconds:6.1f}s   {_frame(newest.truth):>9} {_frame(newest.frame):>9}   {newest.confidence:9.0%}  "
        f"{_frame(newest.next_frame):>9}  {so_far:>18}   {counts.latency_p50_ms:6.2f} / {counts.latency_p99_ms:5.2f} ms"
    )


def _frame(frame: int) -> str:
    return str(frame) if frame >= 0 else {-1: "blank"}.get(frame, "?")


def _print_result(result: dict[str, Any]) -> None:
    display = result["display"]
    click.echo(
        f"\nFirst decoded frame after {result['first_decoded_frame_s']:.1f} s; {display['received']} predictions "
        f"received, {display['dropped']} missing; window painted at {display['painted_fps']:.0f} fps."
    )
    score = result["live"].get("score")
    for name in ("with_playback", "without_playback") if score else ():
        figures = score[name]
        click.echo(
            f"  {name.replace('_', ' '):<17} within 1 s {figures['accuracy_within_1s']:.3f}   exact "
            f"{figures['accuracy_exact']:.3f}   (simulated recording, {score['moments']} test moments)"
        )
    if score:
        click.echo(f"  {'chance':<17} within 1 s {display['chance']:.3f}")
    if result["screenshot"]:
        click.echo(f"Window saved as {result['screenshot']}")
