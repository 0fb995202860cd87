"""Render sound scenes as two seconds of mono sound at 16 kHz."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from c3_playground.world.scenes import SoundEvent, SoundScene

SAMPLE_RATE = 16_000
SECONDS = 2.0
SAMPLES = int(SAMPLE_RATE * SECONDS)

PITCH_HZ = {"low": 260.0, "middle": 760.0, "high": 2200.0}
PITCH_JITTER = 0.08  # of the frequency
GLIDE = 1.5  # a rising sound goes from 1/1.5 to 1.5 of its pitch, so that low, middle and high never overlap
AMPLITUDE = {"soft": 0.14, "loud": 0.7}
NOISE_RMS = {"quiet": 0.0006, "noise": 0.012}

LEAD = 0.08  # seconds before the first event, and at least after the last
PERIOD = 0.26  # seconds from one repeat to the next, less if there is no room
SOUNDING = 0.62  # share of the period that a repeated sound is heard
LONGEST = 0.5  # seconds of a sound that does not repeat
HIGHEST_HZ = 7500.0  # of a partial: under half of the sample rate

Wave = NDArray[np.float64]


def _frequency(event: SoundEvent, center: float, count: int) -> Wave:
    """The frequency in Hz at each of `count` samples."""
    progress = np.linspace(-1.0, 1.0, count)
    direction = {"rising": 1.0, "falling": -1.0}.get(event.contour or "steady", 0.0)
    return center * GLIDE ** (direction * progress)


def _fade(wave: Wave, attack: float, release: float) -> Wave:
    """Fade `wave` in and out in place, over `attack` and `release` seconds."""
    rise, fall = (min(int(seconds * SAMPLE_RATE), len(wave) // 2) for seconds in (attack, release))
    wave[:rise] *= np.linspace(0.0, 1.0, rise)
    wave[len(wave) - fall :] *= np.linspace(1.0, 0.0, fall)
    return wave


def _decay(count: int, seconds: float) -> Wave:
    return np.exp(-np.arange(count) / (seconds * SAMPLE_RATE))


def _partials(frequency: Wave, ratios: Sequence[float], weights: Sequence[float]) -> Wave:
    """The sum of sines at multiples of a gliding frequency, without those that would alias."""
    phase = 2 * np.pi * np.cumsum(frequency) / SAMPLE_RATE
    highest = float(frequency.max())
    wave = np.zeros(len(frequency))
    for ratio, weight in zip(ratios, weights, strict=True):
        if ratio * highest < HIGHEST_HZ:
            wave += weight * np.sin(ratio * phase)
    return wave


def _tone(event: SoundEvent, center: float, seconds: float, rng: np.random.Generator) -> Wave:
    """One repeat of a pitched event."""
    count = int(seconds * SAMPLE_RATE)
    time = np.arange(count) / SAMPLE_RATE
    frequency = _frequency(event, center, count)
    if event.timbre == "beep":
        return _fade(_partials(frequency, [1], [1]), 0.008, 0.015)
    if event.timbre == "buzz":
        harmonics = range(1, 25)
        return _fade(_partials(frequency, harmonics, [1 / n for n in harmonics]), 0.008, 0.015)
    if event.timbre == "bell":
        wave = _partials(frequency, [1, 2.76, 5.40, 8.93], [1, 0.6, 0.35, 0.2])
        return _fade(wave * _decay(count, seconds * 0.3), 0.002, 0.03)
    if event.timbre == "whistle":
        vibrato = 1 + 0.04 * np.sin(2 * np.pi * 9 * time)
        breath = 0.12 * rng.standard_normal(count)
        return _fade(_partials(frequency * vibrato, [1], [1]) + breath, 0.03, 0.03)
    wail = 1.3 ** np.sin(2 * np.pi * max(5.0, 2 / seconds) * time)  # a siren
    return _fade(_partials(frequency * wail, [1, 3], [1, 0.35]), 0.01, 0.02)


def _noise(event: SoundEvent, seconds: float, rng: np.random.Generator) -> Wave:
    """One repeat of an event without pitch."""
    if event.timbre == "drum":
        count = int(min(seconds, 0.2) * SAMPLE_RATE)
        frequency = 60 + 90 * _decay(count, 0.03)
        thud = np.sin(2 * np.pi * np.cumsum(frequency) / SAMPLE_RATE) * _decay(count, 0.06)
        skin = np.convolve(rng.standard_normal(count), np.full(12, 1 / 12), mode="same") * _decay(count, 0.02)
        return _fade(thud + skin, 0.001, 0.02)
    if event.timbre == "click":
        count = int(0.03 * SAMPLE_RATE)
        ringing = np.sin(2 * np.pi * 3200 * np.arange(count) / SAMPLE_RATE) * _decay(count, 0.005)
        return _fade(ringing + 0.7 * rng.standard_normal(count) * _decay(count, 0.002), 0.0005, 0.005)
    count = int(seconds * SAMPLE_RATE)
    return _fade(np.diff(rng.standard_normal(count + 1)), 0.02, 0.03)  # a hiss


def _repeats(event: SoundEvent, slot: float, rng: np.random.Generator) -> Wave:
    """All repeats of an event with its loudness, in at most `slot` seconds."""
    room = slot - LEAD
    period = min(PERIOD, room / event.count) * rng.uniform(0.92, 1.0)
    seconds = SOUNDING * period if event.count > 1 else min(LONGEST, room) * rng.uniform(0.85, 1.0)
    center = PITCH_HZ.get(event.pitch or "", 0.0) * rng.uniform(1 - PITCH_JITTER, 1 + PITCH_JITTER)
    amplitude = AMPLITUDE[event.loudness] * rng.uniform(0.9, 1.1)
    wave = _tone(event, center, seconds, rng) if event.pitch else _noise(event, seconds, rng)
    wave *= amplitude / np.abs(wave).max()
    step = int(period * SAMPLE_RATE)
    whole = np.zeros(step * (event.count - 1) + len(wave))
    for start in range(0, step * event.count, step):
        whole[start : start + len(wave)] += wave
    return whole


def render_one(scene: SoundScene, rng: np.random.Generator) -> NDArray[np.float32]:
    """Render one scene as float32 samples (32000,) in -1 to 1."""
    wave = rng.standard_normal(SAMPLES, np.float32) * np.float32(NOISE_RMS[scene.background])
    slot = (SECONDS - 2 * LEAD) / len(scene.events)
    for place, event in enumerate(scene.events):
        repeats = _repeats(event, slot, rng)
        slack = max(slot - LEAD - len(repeats) / SAMPLE_RATE, 0.0)
        start = int((LEAD + place * slot + rng.uniform(0.0, 1.0) * slack) * SAMPLE_RATE)
        wave[start : start + len(repeats)] += repeats.astype(np.float32)
    clipped: NDArray[np.float32] = np.clip(wave, -1.0, 1.0)
    return clipped


def render(
    scenes: Sequence[SoundScene], rng: np.random.Generator | Sequence[np.random.Generator]
) -> NDArray[np.float32]:
    """Render `scenes` as float32 waves (n, 32000) in -1 to 1. `rng` is as for pictures.

    >>> scene = SoundScene((SoundEvent("beep", "high", 2, "steady", "loud"),), "quiet")
    >>> render([scene], np.random.default_rng(0)).shape
    (1, 32000)
    """
    rngs = [rng] * len(scenes) if isinstance(rng, np.random.Generator) else rng
    waves = np.empty((len(scenes), SAMPLES), np.float32)
    for row, (scene, own) in enumerate(zip(scenes, rngs, strict=True)):
        waves[row] = render_one(scene, own)
    return waves
