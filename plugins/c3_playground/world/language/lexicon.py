"""The words of the world: each value of each factor, with all ways to say it.

`sentences.py` writes with these tables and `parsing.py` reads with them, so that both know every synonym. The first way
to say a value is the usual one: `pick` takes it about half of the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

Words = Mapping[str, tuple[str, ...]]

# --- pictures and clips -------------------------------------------------------------------------------------------

SHAPES: Words = {
    "circle": ("circle", "disc", "ball", "dot"),
    "square": ("square", "box", "block"),
    "triangle": ("triangle", "three-sided shape"),
    "star": ("star", "five-pointed star"),
    "ring": ("ring", "hoop", "donut"),
    "cross": ("cross", "plus sign"),
    "diamond": ("diamond", "rhombus"),
    "heart": ("heart", "love heart"),
}

COLORS: Words = {
    "red": ("red", "scarlet"),
    "orange": ("orange",),
    "yellow": ("yellow", "golden"),
    "green": ("green", "emerald"),
    "blue": ("blue", "cobalt"),
    "purple": ("purple", "violet"),
    "pink": ("pink", "rose"),
    "white": ("white",),
    "black": ("black",),
}

SIZES: Words = {
    "small": ("small", "little", "tiny"),
    "medium": ("medium-sized", "mid-sized"),
    "large": ("large", "big", "huge"),
}

BACKGROUNDS: Words = {
    "black": ("black",),
    "white": ("white",),
    "grey": ("grey", "gray"),
    "light blue": ("light blue", "sky blue", "pale blue"),
    "beige": ("beige", "sandy"),
    "dark green": ("dark green", "deep green"),
}

BACKGROUND_NOUNS = ("background", "backdrop")
BACKGROUND_PREPOSITIONS = ("on", "against")

# A place is a cell of a 3 × 3 grid. These are the words after a noun.
PLACES: Words = {
    "top left": ("at the top left", "in the upper left", "in the top left corner"),
    "top": ("at the top", "at the upper edge", "near the top"),
    "top right": ("at the top right", "in the upper right", "in the top right corner"),
    "left": ("on the left", "at the left edge", "on the left side"),
    "centre": ("in the centre", "in the middle", "at the centre"),
    "right": ("on the right", "at the right edge", "on the right side"),
    "bottom left": ("at the bottom left", "in the lower left", "in the bottom left corner"),
    "bottom": ("at the bottom", "at the lower edge", "near the bottom"),
    "bottom right": ("at the bottom right", "in the lower right", "in the bottom right corner"),
}

RELATIONS: Words = {
    "left of": ("to the left of", "left of"),
    "right of": ("to the right of", "right of"),
    "above": ("above", "over"),
    "below": ("below", "under", "beneath"),
}
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}

# --- clips --------------------------------------------------------------------------------------------------------

# Verbs ("a circle moves left") and, in the same order, participles ("a circle moving left").
MOTIONS: Words = {
    "left": ("moves left", "slides to the left", "drifts leftwards"),
    "right": ("moves right", "slides to the right", "drifts rightwards"),
    "up": ("moves up", "rises", "floats upwards"),
    "down": ("moves down", "falls", "sinks downwards"),
    "grow": ("grows", "gets bigger", "expands"),
    "shrink": ("shrinks", "gets smaller", "contracts"),
    "spin": ("spins", "turns around", "rotates"),
    "bounce": ("bounces", "bounces up and down", "hops"),
    "blink": ("blinks", "flashes", "flickers"),
    "still": ("stays still", "does not move", "rests"),
}
MOTION_PARTICIPLES: Words = {
    "left": ("moving left", "sliding to the left", "drifting leftwards"),
    "right": ("moving right", "sliding to the right", "drifting rightwards"),
    "up": ("moving up", "rising", "floating upwards"),
    "down": ("moving down", "falling", "sinking downwards"),
    "grow": ("growing", "getting bigger", "expanding"),
    "shrink": ("shrinking", "getting smaller", "contracting"),
    "spin": ("spinning", "turning around", "rotating"),
    "bounce": ("bouncing", "bouncing up and down", "hopping"),
    "blink": ("blinking", "flashing", "flickering"),
    "still": ("staying still", "not moving", "resting"),
}
# Participles that can come before the noun ("a spinning star").
MOTION_ADJECTIVES: Words = {
    "up": ("rising",),
    "down": ("falling",),
    "grow": ("growing", "expanding"),
    "shrink": ("shrinking", "contracting"),
    "spin": ("spinning", "rotating"),
    "bounce": ("bouncing", "hopping"),
    "blink": ("blinking", "flashing", "flickering"),
    "still": ("motionless", "resting"),
}

# --- sounds -------------------------------------------------------------------------------------------------------

TIMBRES: Words = {
    "beep": ("beep", "tone"),
    "buzz": ("buzz", "buzzing sound"),
    "bell": ("bell", "chime"),
    "whistle": ("whistle", "whistling sound"),
    "siren": ("siren", "warble"),
    "drum": ("drum hit", "thump", "drum beat"),
    "click": ("click", "tick"),
    "hiss": ("hiss", "burst of hiss", "hissing sound"),
}
TIMBRE_PLURALS: Words = {
    "beep": ("beeps", "tones"),
    "buzz": ("buzzes", "buzzing sounds"),
    "bell": ("bells", "chimes"),
    "whistle": ("whistles", "whistling sounds"),
    "siren": ("sirens", "warbles"),
    "drum": ("drum hits", "thumps", "drum beats"),
    "click": ("clicks", "ticks"),
    "hiss": ("hisses", "bursts of hiss", "hissing sounds"),
}
PITCHES: Words = {
    "low": ("low", "low-pitched", "deep"),
    "middle": ("mid-pitched", "medium-pitched", "mid-range"),
    "high": ("high", "high-pitched", "shrill"),
}
CONTOURS: Words = {
    "steady": ("steady", "level"),
    "rising": ("rising", "ascending"),
    "falling": ("falling", "descending"),
}
CONTOUR_PARTICIPLES: Words = {
    "rising": ("going up", "gliding upwards"),
    "falling": ("going down", "gliding downwards"),
}
# About one sound, and about several.
CONTOUR_CLAUSES: Words = {"rising": ("that rises", "that rise"), "falling": ("that falls", "that fall")}
LOUDNESSES: Words = {"soft": ("soft", "gentle", "faint"), "loud": ("loud", "strong")}
NUMBERS: Mapping[int, str] = {1: "one", 2: "two", 3: "three", 4: "four"}
TIMES: Mapping[int, str] = {1: "once", 2: "twice", 3: "three times", 4: "four times"}
SOUND_BACKGROUNDS: Words = {
    "quiet": ("in silence", "in a quiet room", "with no noise"),
    "noise": ("over faint noise", "with faint noise behind", "in a noisy room"),
}


def pick(rng: Random, ways: Sequence[str]) -> str:
    """One of `ways`: the first one with a probability of a half, or one of the others.

    >>> pick(Random(0), ("circle",))
    'circle'
    """
    if len(ways) == 1 or rng.random() < 0.5:
        return ways[0]
    return ways[1 + int(rng.random() * (len(ways) - 1))]


def article(phrase: str) -> str:
    """`phrase` with "a" or "an" before it.

    >>> article("orange disc"), article("red disc")
    ('an orange disc', 'a red disc')
    """
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"
