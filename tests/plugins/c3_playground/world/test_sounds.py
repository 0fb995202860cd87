from __future__ import annotations

from random import Random

import numpy as np
import pytest

from c3_playground.world.drawing import GLIDING, PITCHED, draw_sound
from c3_playground.world.language import lexicon
from c3_playground.world.media.sounds import SAMPLE_RATE, render
from c3_playground.world.scenes import SoundEvent, SoundScene

BANDS = {"low": (180, 420), "middle": (520, 1100), "high": (1500, 3200)}  # Hz


def waves(timbre, pitch=None, count=1, contour=None, loudness="loud", background="quiet", n=8):
    scene = SoundScene((SoundEvent(timbre, pitch, count, contour, loudness),), background)
    return render([scene] * n, np.random.default_rng(0))


def lowest_partial(wave):
    """The frequency in Hz of the lowest strong peak of the spectrum."""
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    frequency = np.fft.rfftfreq(len(wave), 1 / SAMPLE_RATE)
    strong = spectrum > 0.4 * spectrum[frequency > 120].max()
    return frequency[strong & (frequency > 120)][0]


def sounding(wave):
    """The samples between the first and the last loud one."""
    loud = np.flatnonzero(np.abs(wave) > 0.2 * np.abs(wave).max())
    return wave[loud[0] : loud[-1] + 1]


def onsets(wave, level=0.25):
    """Where the level, the largest sample of each 10 ms, comes up out of the quiet; gaps under 20 ms do not count."""
    peaks = np.abs(wave).reshape(-1, SAMPLE_RATE // 100).max(axis=1)
    above = peaks > level * peaks.max()
    filled = above.copy()
    filled[1:-1] |= above[:-2] & above[2:]
    return np.flatnonzero(np.diff(filled.astype(int), prepend=0) == 1)


def centroid(part):
    power = np.abs(np.fft.rfft(part * np.hanning(len(part)))) ** 2
    return (power * np.fft.rfftfreq(len(part), 1 / SAMPLE_RATE)).sum() / power.sum()


@pytest.mark.parametrize("timbre", PITCHED)
@pytest.mark.parametrize("pitch", list(lexicon.PITCHES))
def test_the_spectrum_has_the_named_pitch(timbre, pitch):
    low, high = BANDS[pitch]
    for wave in waves(timbre, pitch, contour="steady" if timbre in GLIDING else None):
        assert low <= lowest_partial(sounding(wave)) <= high


@pytest.mark.parametrize("timbre", list(lexicon.TIMBRES))
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_repeats_can_be_counted(timbre, count):
    pitch = "middle" if timbre in PITCHED else None
    for wave in waves(timbre, pitch, count):
        assert len(onsets(wave)) == count


@pytest.mark.parametrize("timbre", GLIDING)
@pytest.mark.parametrize("pitch", list(lexicon.PITCHES))
@pytest.mark.parametrize(
    ("contour", "low", "high"), [("steady", 0.8, 1.25), ("rising", 1.35, 3), ("falling", 0.3, 0.75)]
)
def test_the_spectral_centroid_follows_the_contour(timbre, pitch, contour, low, high):
    for wave in waves(timbre, pitch, contour=contour, n=4):
        part = sounding(wave)
        third = len(part) // 3
        # The breath of a whistle and the harmonics of a buzz are left out by a low-pass at the pitch's band.
        spectra = [np.fft.rfft(part[:third]), np.fft.rfft(part[-third:])]
        frequency = np.fft.rfftfreq(third, 1 / SAMPLE_RATE)
        inside = (frequency > BANDS[pitch][0] * 0.6) & (frequency < BANDS[pitch][1] * 1.25)
        first, last = ((np.abs(s[inside]) ** 4 @ frequency[inside]) / (np.abs(s[inside]) ** 4).sum() for s in spectra)
        assert low < last / first < high


def test_timbres_are_apart():
    """Beep, whistle, buzz and bell differ in partials; drum, click and hiss in length and brightness."""
    drum, click, hiss = (sounding(waves(name, n=1)[0]) for name in ("drum", "click", "hiss"))
    assert centroid(drum) < 400
    assert centroid(click) > 2000
    assert centroid(hiss) > 4000
    assert len(click) < 0.03 * SAMPLE_RATE < len(drum) < 0.2 * SAMPLE_RATE < len(hiss)
    beep, buzz, bell = (
        sounding(waves(name, "middle", contour=contour, n=1)[0])
        for name, contour in (("beep", "steady"), ("buzz", "steady"), ("bell", None))
    )
    assert centroid(beep) < 1000 < centroid(buzz)
    assert np.abs(bell[:800]).mean() > 2.5 * np.abs(bell[-800:]).mean()
    assert np.abs(beep[500:1300]).mean() < 1.3 * np.abs(beep[-1300:-500]).mean()


def test_loudness_and_background_can_be_measured():
    assert np.abs(waves("beep", "low", loudness="soft")).max() < 0.25
    assert np.abs(waves("beep", "low", loudness="loud")).max() > 0.5
    before = slice(0, int(0.05 * SAMPLE_RATE))
    assert waves("click", background="quiet")[:, before].std() < 0.002
    assert 0.006 < waves("click", background="noise")[:, before].std() < 0.03


def test_events_come_in_their_order():
    high, low = SoundEvent("beep", "high", 1, "steady", "loud"), SoundEvent("beep", "low", 2, "steady", "loud")
    for wave in render([SoundScene((high, low), "quiet")] * 5, np.random.default_rng(2)):
        assert len(onsets(wave)) == 3
        assert lowest_partial(wave[:SAMPLE_RATE]) > 1500
        assert lowest_partial(wave[SAMPLE_RATE:]) < 420


def test_all_sounds_are_waves_and_do_not_depend_on_their_batch():
    rng = Random(7)
    scenes = [draw_sound(rng) for _ in range(40)]
    together = render(scenes, [np.random.default_rng([1, index]) for index in range(40)])
    assert together.dtype == np.float32
    assert together.shape == (40, 2 * SAMPLE_RATE)
    assert np.abs(together).max() <= 1
    alone = render([scenes[39]], [np.random.default_rng([1, 39])])[0]
    assert np.array_equal(alone, together[39])
