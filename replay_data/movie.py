"""Simulated movie: scenes of 1/f textures, with moving, occluding objects and camera motion."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from stream.movie import Movie, one_clip

RATE_HZ = 30.0
HEIGHT, WIDTH = 72, 128

_CANVAS = 256
"""Side of the periodic textures in pixels, around which the camera wraps."""

_APPROACH = 2.4
"""Log growth of an approaching object, from far away until it restarts."""

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Style:
    """Appearance and motion of a scene; lengths in pixels, speeds in pixels per second, gray from 0 to 1.

    Attributes
    ----------
    gray, contrast, slope
        Mean and standard deviation of the background, and exponent of its amplitude spectrum (1 = 1/f).
    stretch
        Width over height of the background's structures.
    horizon
        Difference in brightness between the top and the bottom of the background.
    pan, sway, zoom, turn
        Camera: steady velocity (x, y), amplitude of a slow sway (x, y), growth rate per second, radians per second.
    n_objects, shapes, size, aspect, speed, spin
        Objects: number, shapes, range of radius, range of height over width, speed, radians per second.
    object_gray, object_contrast, shading
        Objects: range of mean gray, standard deviation of the texture, and strength of one-sided light.
    """

    gray: float = 0.5
    contrast: float = 0.12
    slope: float = 1.0
    stretch: float = 1.0
    horizon: float = 0.0
    pan: tuple[float, float] = (0.0, 0.0)
    sway: tuple[float, float] = (0.0, 0.0)
    zoom: float = 0.0
    turn: float = 0.0
    n_objects: int = 0
    shapes: tuple[str, ...] = ("disc",)
    size: tuple[float, float] = (6.0, 14.0)
    aspect: tuple[float, float] = (1.0, 1.0)
    speed: float = 0.0
    spin: float = 0.0
    object_gray: tuple[float, float] = (0.2, 0.8)
    object_contrast: float = 0.08
    shading: float = 0.25


STYLES: tuple[Style, ...] = (
    # hills under a bright sky, the camera travels to the right, stones in front
    Style(gray=0.52, contrast=0.13, slope=1.3, stretch=2.0, horizon=0.5, pan=(54.4, 0), sway=(0, 3), n_objects=9,
          shapes=("disc", "leaf"), size=(5, 13), aspect=(0.5, 0.9), object_gray=(0.08, 0.4)),
    # balls that roll through each other's way over a light floor
    Style(gray=0.72, contrast=0.06, slope=0.9, n_objects=8, size=(9, 19), speed=73.6, spin=2.4,
          object_gray=(0.1, 0.75), object_contrast=0.12, shading=0.45),
    # tree trunks pass at different distances
    Style(gray=0.6, contrast=0.1, slope=1.1, stretch=0.4, pan=(-67.2, 0), n_objects=12, shapes=("trunk",), size=(2, 9),
          object_gray=(0.03, 0.35), object_contrast=0.07, shading=0.3),
    # flying into a night sky
    Style(gray=0.16, contrast=0.09, slope=1.2, zoom=0.8, turn=0.19, n_objects=34, size=(2, 6),
          object_gray=(0.5, 1.0), object_contrast=0.05, shading=0.15),
    # leaves on water, drifting and turning
    Style(gray=0.33, contrast=0.15, slope=0.8, stretch=3.0, pan=(9.6, 35.2), sway=(8, 0), n_objects=14, shapes=("leaf",),
          size=(7, 15), aspect=(0.35, 0.55), speed=25.6, spin=1.92, object_gray=(0.45, 0.95), object_contrast=0.05),
    # blocks of a town from above, the camera turns
    Style(gray=0.42, contrast=0.06, slope=0.7, pan=(19.2, 41.6), turn=0.56, n_objects=24, shapes=("box",), size=(6, 13),
          aspect=(0.5, 1.4), object_gray=(0.15, 0.9), object_contrast=0.05, shading=0.2),
    # coarse rock close by, the camera sways down and up
    Style(gray=0.45, contrast=0.24, slope=1.0, pan=(-16, -57.6), sway=(14, 5), n_objects=3, shapes=("leaf",),
          size=(10, 16), aspect=(0.6, 0.8), speed=48, spin=0.64, object_gray=(0.75, 0.9)),
    # a crowd of discs and boxes falling
    Style(gray=0.25, contrast=0.1, slope=1.2, pan=(0, -76.8), n_objects=20, shapes=("disc", "box"), size=(4, 11),
          aspect=(0.7, 1.3), speed=35.2, spin=3.2, object_gray=(0.3, 1.0), object_contrast=0.1, shading=0.35),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Object:
    """A moving object; ``depth`` is how strongly it moves with the camera (1 = like the background)."""

    shape: str
    radius: float
    aspect: float
    angle: float
    spin: float
    start: tuple[float, float]
    velocity: tuple[float, float]
    depth: float
    gray: float
    texture_origin: tuple[float, float]
    approach: float


def scene_starts(n_scenes: int, n_frames: int, seed: int) -> NDArray[np.int32]:
    """Return the first frame of each scene of a movie.

    Parameters
    ----------
    n_scenes, n_frames
        Numbers of scenes and frames of the movie.
    seed
        Random seed of the movie.

    Returns
    -------
    starts
        Int32 [n_scenes + 1]; the last entry is ``n_frames``. Lengths differ by up to about 20 % from their mean.

    Examples
    --------
    >>> scene_starts(3, 90, seed=0).tolist()
    [0, 32, 59, 90]
    """
    rng = np.random.default_rng([seed, 1])
    length = 1 + rng.uniform(-0.2, 0.2, n_scenes)
    ends = np.rint(np.cumsum(length) / length.sum() * n_frames)
    return np.asarray(np.r_[0, ends], np.int32)


def make_movie(n_scenes: int = 8, n_frames: int = 900, seed: int = 0, name: str = "simulated") -> Movie:
    """Make a movie.

    Parameters
    ----------
    n_scenes
        Number of scenes; the first eight have the styles of `STYLES`, later ones random variations of these.
    n_frames
        Number of frames, at `RATE_HZ`.
    seed
        Random seed; the same seed gives the same pictures.
    name
        Name of the movie's only clip.

    Returns
    -------
    movie
        Movie with pictures, uint8 [n_frames, 72, 128].
    """
    starts = scene_starts(n_scenes, n_frames, seed)
    frames = np.empty((n_frames, HEIGHT, WIDTH), np.uint8)
    for scene in range(n_scenes):
        rng = np.random.default_rng([seed, 2, scene])
        style = STYLES[scene] if scene < len(STYLES) else _vary(STYLES[scene % len(STYLES)], rng)
        begin, end = starts[scene], starts[scene + 1]
        frames[begin:end] = _render_scene(style, int(end - begin), rng)
    return one_clip(name, frames, RATE_HZ)


def _vary(style: Style, rng: np.random.Generator) -> Style:
    """Vary light, camera and objects of a style at random."""
    flip = rng.choice([-1.0, 1.0], 2)
    faster = rng.uniform(0.6, 1.4)
    small, large = np.array(style.size) * rng.uniform(0.7, 1.5)
    return replace(
        style,
        gray=float(np.clip(style.gray + rng.uniform(-0.2, 0.2), 0.1, 0.8)),
        contrast=style.contrast * rng.uniform(0.7, 1.6),
        slope=style.slope + rng.uniform(-0.2, 0.3),
        stretch=style.stretch * rng.uniform(0.5, 2.0),
        pan=(style.pan[0] * flip[0] * faster, style.pan[1] * flip[1] * faster),
        turn=style.turn * flip[0],
        n_objects=max(2, round(style.n_objects * rng.uniform(0.5, 1.5))),
        size=(small, large),
    )


def pink_texture(rng: np.random.Generator, slope: float, stretch: float = 1.0) -> Array:
    """Make a periodic random texture with the amplitude spectrum of natural images (Field 1987).

    Parameters
    ----------
    rng
        Random generator of the phases.
    slope
        Exponent of the amplitude spectrum, ``1 / frequency ** slope``; about 1 in natural images.
    stretch
        Width over height of its structures.

    Returns
    -------
    texture
        Float32 [256, 256], mean 0, standard deviation 1.
    """
    fy = np.fft.fftfreq(_CANVAS)[:, None]
    fx = np.fft.rfftfreq(_CANVAS)[None] * stretch
    amplitude = 1 / np.maximum(np.hypot(fx, fy), 1.5 / _CANVAS) ** slope
    amplitude[0, 0] = 0
    spectrum = amplitude * np.exp(2j * np.pi * rng.random(amplitude.shape))
    texture = np.fft.irfft2(spectrum, (_CANVAS, _CANVAS))
    return np.asarray(texture / texture.std(), np.float32)


def _render_scene(style: Style, n_frames: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Render all frames of a scene, uint8 [frames, height, width]."""
    background = pink_texture(rng, style.slope, style.stretch)
    surface = pink_texture(rng, 0.9)
    objects = [_draw_object(style, rng) for _ in range(style.n_objects)]
    objects.sort(key=lambda item: item.depth)
    phase = rng.uniform(0, 2 * np.pi, 2)
    light = style.horizon * (0.5 - np.arange(HEIGHT, dtype=np.float32)[:, None] / HEIGHT)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    x, y = x - WIDTH / 2, y - HEIGHT / 2
    out = np.empty((n_frames, HEIGHT, WIDTH), np.uint8)
    for index in range(n_frames):
        t = index / RATE_HZ
        sway = [style.sway[k] * np.sin(2 * np.pi * 0.7 * t + phase[k]) for k in range(2)]
        camera = np.array([style.pan[0] * t + sway[0], style.pan[1] * t + sway[1]])
        angle, shrink = style.turn * t, float(np.exp(-0.5 * style.zoom * t))
        cos, sin = np.cos(angle) * shrink, np.sin(angle) * shrink
        at_x, at_y = cos * x - sin * y + camera[0], sin * x + cos * y + camera[1]
        picture = style.gray + light + style.contrast * _sample(background, at_x, at_y)
        for item in objects:
            _paint(picture, item, style, surface, t, camera, angle)
        out[index] = np.rint(255 * np.clip(picture, 0, 1))
    return out


def _draw_object(style: Style, rng: np.random.Generator) -> _Object:
    """Draw the properties of an object at random."""
    shape = str(rng.choice(style.shapes))
    direction = rng.uniform(0, 2 * np.pi)
    speed = style.speed * rng.uniform(0.5, 1.3)
    closeness = rng.random()
    radius = style.size[0] + (style.size[1] - style.size[0]) * closeness
    return _Object(
        shape=shape,
        radius=float(radius),
        aspect=float(rng.uniform(*style.aspect)),
        angle=0.0 if shape == "trunk" else float(rng.uniform(0, np.pi)),
        spin=style.spin * float(rng.uniform(-1, 1)),
        start=(float(rng.uniform(0, 400)), float(rng.uniform(0, 400))),
        velocity=(speed * float(np.cos(direction)), speed * float(np.sin(direction))),
        depth=0.8 + 1.2 * float(closeness),
        gray=float(rng.uniform(*style.object_gray)),
        texture_origin=(float(rng.uniform(0, _CANVAS)), float(rng.uniform(0, _CANVAS))),
        approach=float(rng.uniform(0, _APPROACH)),
    )


def _paint(
    picture: Array,
    item: _Object,
    style: Style,
    surface: Array,
    t: float,
    camera: NDArray[np.float64],
    angle: float,
) -> None:
    """Paint an object over the picture, inside its bounding box only."""
    scale = 1.0
    if style.zoom:
        scale = float(np.exp((style.zoom * t + item.approach) % _APPROACH - _APPROACH / 2))
    radius = item.radius * scale
    margin = radius * 1.5 + 2
    position = np.array(item.start) + np.array(item.velocity) * t - camera * item.depth
    # Objects wrap around a field slightly larger than the picture.
    field = np.array([WIDTH, HEIGHT]) + 3 * item.radius + 4
    position = (position % field - field / 2) * scale
    cos, sin = np.cos(-angle), np.sin(-angle)
    centre_x = cos * position[0] - sin * position[1] + WIDTH / 2
    centre_y = sin * position[0] + cos * position[1] + HEIGHT / 2
    left, right = max(0, int(centre_x - margin)), min(WIDTH, int(centre_x + margin) + 1)
    top, bottom = max(0, int(centre_y - margin)), min(HEIGHT, int(centre_y + margin) + 1)
    if item.shape == "trunk":
        top, bottom = 0, HEIGHT
    if left >= right or top >= bottom:
        return
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    rotation = item.angle + item.spin * t - angle
    cos, sin = np.cos(rotation), np.sin(rotation)
    u = (cos * (x - centre_x) + sin * (y - centre_y)) / radius
    v = (-sin * (x - centre_x) + cos * (y - centre_y)) / (radius * item.aspect)
    distance = _signed_distance(item.shape, u, v)
    opacity = np.clip(0.5 - distance * radius * min(item.aspect, 1.0), 0, 1).astype(np.float32)
    texture = _sample(
        surface, u * item.radius + item.texture_origin[0], v * item.radius + item.texture_origin[1]
    )
    shade = style.shading * np.clip(-0.7 * (x - centre_x) - 0.7 * (y - centre_y), -radius, radius) / radius
    if item.shape == "trunk":
        shade = -style.shading * u
    gray = item.gray + style.object_contrast * texture + shade
    box = picture[top:bottom, left:right]
    box += opacity * (gray - box)


def _signed_distance(shape: str, u: Array, v: Array) -> Array:
    """Return the distance of points from the outline of a shape of radius 1; negative inside."""
    if shape == "box":
        return np.maximum(np.abs(u), np.abs(v)) - 1
    if shape == "trunk":
        return np.abs(u) - 1
    if shape == "leaf":
        return np.hypot(u, v * (1 + 0.6 * np.maximum(u, -0.9))) - 1
    return np.hypot(u, v) - 1


def _sample(texture: Array, x: NDArray[np.floating], y: NDArray[np.floating]) -> Array:
    """Sample a periodic texture between its pixels by linear interpolation."""
    return map_coordinates(texture, [y, x], order=1, mode="grid-wrap")  # type: ignore[no-any-return]
