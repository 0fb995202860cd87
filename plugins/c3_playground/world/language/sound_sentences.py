"""Write sentences about sounds."""

from __future__ import annotations

from random import Random

from c3_playground.world.language import lexicon
from c3_playground.world.language.lexicon import article, pick
from c3_playground.world.scenes import SoundEvent, SoundScene

# Probabilities that a sentence names all events, not all but one, and each detail of an event and of the sound.
ALL_EVENTS, COUNT, PITCH, GLIDE, STEADY, LOUDNESS, BACKGROUND = 0.95, 0.94, 0.85, 0.85, 0.15, 0.4, 0.35

OPENINGS = ("", "", "the sound of ", "there is ", "you can hear ", "a recording of ", "we hear ")
_SEVERAL = tuple(f"{number} " for count, number in lexicon.NUMBERS.items() if count > 1)
JOINERS = (" then ", " followed by ", ", then ", " and then ", " before ")


def _event_phrase(event: SoundEvent, rng: Random, *, complete: bool) -> str:
    """An event as a noun phrase, such as "two soft low beeps that rise" or "a rising beep three times"."""

    def names(share: float) -> bool:
        return complete or rng.random() < share

    words, after = [], ""
    if names(LOUDNESS):
        words.append(pick(rng, lexicon.LOUDNESSES[event.loudness]))
    several = event.count > 1
    times = names(COUNT)
    as_times = several and times and rng.random() < 0.2
    plural = several and not as_times
    if event.contour and names(STEADY if event.contour == "steady" else GLIDE):
        form = rng.random() if event.contour in lexicon.CONTOUR_CLAUSES else 0.0
        if form < 0.65:
            words.append(pick(rng, lexicon.CONTOURS[event.contour]))
        elif form < 0.85:
            after = " " + pick(rng, lexicon.CONTOUR_PARTICIPLES[event.contour])
        else:
            after = " " + lexicon.CONTOUR_CLAUSES[event.contour][plural]
    if event.pitch and names(PITCH):
        words.append(pick(rng, lexicon.PITCHES[event.pitch]))
    words.append(pick(rng, (lexicon.TIMBRE_PLURALS if plural else lexicon.TIMBRES)[event.timbre]))
    noun = " ".join(words)
    if as_times:
        return f"{article(noun)}{after} {lexicon.TIMES[event.count]}"
    if several:
        return f"{lexicon.NUMBERS[event.count]} {noun}{after}" if times else noun + after
    return article(noun) + after


def _ordered(phrases: list[str], rng: Random) -> str:
    """The phrases joined by words for their order."""
    if len(phrases) == 1:
        return phrases[0]
    if len(phrases) == 2:
        form = rng.random()
        if form < 0.15:
            return f"{phrases[1]} after {phrases[0]}"
        if form < 0.25:
            return f"first {phrases[0]} and then {phrases[1]}"
        return phrases[0] + rng.choice(JOINERS) + phrases[1]
    form = rng.random()
    if form < 0.4:
        return f"{phrases[0]}, {phrases[1]} and finally {phrases[2]}"
    if form < 0.6:
        return f"first {phrases[0]}, then {phrases[1]} and then {phrases[2]}"
    return f"{phrases[0]}{rng.choice(JOINERS)}{phrases[1]} and then {phrases[2]}"


def sound_sentence(scene: SoundScene, rng: Random, *, complete: bool) -> str:
    """One sentence about a sound. A complete one names every factor."""
    events = list(scene.events)
    if not complete and len(events) > 1 and rng.random() >= ALL_EVENTS:
        events.pop(int(rng.random() * len(events)))
    body = _ordered([_event_phrase(event, rng, complete=complete) for event in events], rng)
    opening = "" if body.startswith("first") else rng.choice(OPENINGS)
    if opening == "there is " and body.startswith(_SEVERAL):
        opening = "there are "
    if not complete and rng.random() >= BACKGROUND:
        return opening + body
    way = pick(rng, lexicon.SOUND_BACKGROUNDS[scene.background])
    return f"{way}, {body}" if rng.random() < 0.25 else f"{opening}{body} {way}"
