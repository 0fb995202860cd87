"""Sentences about scenes: true, varied, and about as complete as people's.

All are lower case without a full stop. Most name every object with its main factors and some of the rest; a few leave
out an object or a colour. How often each detail is named is set by the shares below.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from c3_playground.world.language import lexicon
from c3_playground.world.language.lexicon import article, pick
from c3_playground.world.language.sound_sentences import sound_sentence
from c3_playground.world.scenes import (
    COLUMNS,
    HORIZONTAL,
    ROWS,
    VERTICAL,
    PictureScene,
    Scene,
    SoundScene,
    Thing,
    VideoScene,
)


@dataclass(frozen=True, slots=True)
class Shares:
    """How often a sentence about a picture or a clip names each detail; `single` is for scenes of one object."""

    things: float  # all objects, rather than all but one
    colour: float
    motion: float
    size: float
    place: float
    relation: float
    background: float
    single_size: float
    single_place: float
    single_background: float


USUAL = Shares(
    things=0.95,
    colour=0.98,
    motion=0.97,
    size=0.34,
    place=0.32,
    relation=0.4,
    background=0.34,
    single_size=0.75,
    single_place=0.8,
    single_background=0.75,
)
COMPLETE = Shares(1, 1, 1, 1, 1, 0.4, 1, 1, 1, 1)

PICTURE_OPENINGS = ("", "there is ", "a picture of ", "an image of ", "this picture shows ", "you can see ", "here is ")
CLAUSE_OPENINGS = ("", "in this picture ", "in the image ")
VERBS = ("is", "sits", "lies")
CLIP_OPENINGS = ("a video of ", "a clip of ", "there is ", "this clip shows ", "you can see ", "")
CLIP_CLAUSE_OPENINGS = ("", "in this clip ", "in the video ")


@dataclass(frozen=True, slots=True)
class Said:
    """An object and which of its details the sentence names."""

    thing: Thing
    colour: bool
    motion: bool
    size: bool
    place: bool


def _noun(said: Said, rng: Random, *, adjective: str = "", colour: bool = True) -> str:
    """The object without an article: "small spinning red star"."""
    thing = said.thing
    words = [
        pick(rng, lexicon.SIZES[thing.size]) if said.size and thing.size else "",
        adjective,
        pick(rng, lexicon.COLOURS[thing.colour]) if said.colour and colour else "",
        pick(rng, lexicon.SHAPES[thing.shape]),
    ]
    return " ".join(word for word in words if word)


def _at(said: Said, rng: Random) -> str:
    return " " + pick(rng, lexicon.PLACES[said.thing.place]) if said.place else ""


def _phrase(said: Said, rng: Random, *, adjective: str = "") -> str:
    return article(_noun(said, rng, adjective=adjective)) + _at(said, rng)


def _listed(phrases: list[str], rng: Random) -> str:
    if len(phrases) == 1:
        return phrases[0]
    return ", ".join(phrases[:-1]) + rng.choice((" and ", " and ", " with ")) + phrases[-1]


def _plan(scene: PictureScene | VideoScene, rng: Random, shares: Shares) -> tuple[list[int], list[Said], bool, bool]:
    """Which objects to name and in which order, with which details; whether to name a relation and the background."""
    order = list(range(len(scene.things)))
    rng.shuffle(order)
    single = len(order) == 1
    if not single and rng.random() >= shares.things:
        order.pop()
    relation = len(order) > 1 and rng.random() < shares.relation
    # People who say how objects lie to each other seldom say where each lies as well.
    place = shares.single_place if single else shares.place * (0.4 if relation and shares.place < 1 else 1.0)
    told = []
    for index in order:
        thing = scene.things[index]
        crosses_the_middle = thing.motion in HORIZONTAL + VERTICAL and thing.place == "centre"
        told.append(
            Said(
                thing,
                colour=rng.random() < shares.colour,
                motion=rng.random() < shares.motion,
                size=rng.random() < (shares.single_size if single else shares.size),
                place=rng.random() < place and not crosses_the_middle,
            )
        )
    return order, told, relation, rng.random() < (shares.single_background if single else shares.background)


def _true_relation(scene: PictureScene | VideoScene, first: int, second: int, rng: Random) -> str | None:
    true = [relation for relation in lexicon.RELATIONS if scene.holds(first, relation, second)]
    return rng.choice(true) if true else None


def _way(relation: str, before: str, rng: Random) -> str:
    """How to say `relation` after the words `before`. A bare "left of" would run into "at the top" or "moves up"."""
    way = pick(rng, lexicon.RELATIONS[relation])
    return way if before.endswith(_LAST_WORDS_OF_NOUNS) else lexicon.RELATIONS[relation][0]


_LAST_WORDS_OF_NOUNS = tuple(way for ways in lexicon.SHAPES.values() for way in ways)


def _on(background: str, rng: Random) -> str:
    way = pick(rng, lexicon.BACKGROUNDS[background])
    preposition = pick(rng, lexicon.BACKGROUND_PREPOSITIONS)
    if rng.random() < 0.3:
        return f"{preposition} {way}"
    return f"{preposition} a {way} {pick(rng, lexicon.BACKGROUND_NOUNS)}"


def _framed(body: str, opening: str, background: str | None, rng: Random, *, clause: bool) -> str:
    """`body` with its opening and the background before or after it."""
    if background is None:
        return opening + body
    chance = rng.random()
    if chance < 0.2:
        return f"{_on(background, rng)}, {body}" if clause else f"{_on(background, rng)} there is {body}"
    if chance < 0.3 and not clause:
        return f"a {pick(rng, lexicon.BACKGROUNDS[background])} {rng.choice(lexicon.BACKGROUND_NOUNS)} with {body}"
    return f"{opening}{body} {_on(background, rng)}"


def _related(told: list[Said], relation: str, rng: Random) -> tuple[str, bool]:
    """The first two objects in their relation, then the third. Returns the words and whether they are a clause."""
    first, second = _phrase(told[0], rng), _phrase(told[1], rng)
    rest = rng.choice((" and ", ", with ")) + _phrase(told[2], rng) if len(told) > 2 else ""
    way = _way(relation, first, rng)
    form = rng.random()
    if form < 0.5:
        return f"{first} {way} {second}{rest}", False
    if form < 0.65:
        opposite = _way(lexicon.OPPOSITE[relation], second, rng)
        return f"{first} with {second} {opposite} it{rest}", False
    if form < 0.8:
        return f"{way} {second} is {first}{rest}", True
    return f"{first} {rng.choice(VERBS)} {way} {second}{rest}", True


def _stated(told: list[Said], rng: Random) -> str:
    """Clauses of the objects one by one: "the circle is red and the star is blue"."""
    clauses = []
    for said in told:
        if said.colour and rng.random() < 0.6:
            colour = pick(rng, lexicon.COLOURS[said.thing.colour])
            clauses.append(f"the {_noun(said, rng, colour=False)}{_at(said, rng)} is {colour}")
        elif said.place:
            clauses.append(f"{article(_noun(said, rng))} {rng.choice(VERBS)}{_at(said, rng)}")
        else:
            clauses.append(f"there is {_phrase(said, rng)}")
    return clauses[0] if len(clauses) == 1 else ", ".join(clauses[:-1]) + " and " + clauses[-1]


def _neighbours(told: list[Said]) -> bool:
    if len(told) != 2:
        return False
    a, b = told[0].thing.place, told[1].thing.place
    return abs(ROWS[a] - ROWS[b]) + abs(COLUMNS[a] - COLUMNS[b]) == 1


def _picture_sentence(scene: PictureScene, rng: Random, shares: Shares) -> str:
    order, told, relate, name_background = _plan(scene, rng, shares)
    background = scene.background if name_background else None
    relation = _true_relation(scene, order[0], order[1], rng) if relate else None
    if relation:
        body, clause = _related(told, relation, rng)
    elif rng.random() < 0.15:
        body, clause = _stated(told, rng), True
    elif _neighbours(told) and rng.random() < 0.4:
        beside = rng.choice(("next to", "beside"))
        body, clause = f"{_phrase(told[0], rng)} {beside} {_phrase(told[1], rng)}", False
    else:
        body, clause = _listed([_phrase(said, rng) for said in told], rng), False
    if clause:
        return _framed(body, pick(rng, CLAUSE_OPENINGS), background, rng, clause=True)
    return _framed(body, rng.choice(PICTURE_OPENINGS), background, rng, clause=False)


def _moving_phrase(said: Said, rng: Random) -> str:
    """A noun phrase with its motion: "a spinning star" or "a star spinning"."""
    motion = said.thing.motion or "still"
    if not said.motion:
        return _phrase(said, rng)
    if motion in lexicon.MOTION_ADJECTIVES and rng.random() < 0.4:
        return _phrase(said, rng, adjective=pick(rng, lexicon.MOTION_ADJECTIVES[motion]))
    return f"{_phrase(said, rng)} {pick(rng, lexicon.MOTION_PARTICIPLES[motion])}"


def _moving_clause(said: Said, rng: Random, determiner: str = "a") -> str:
    """A clause: "a star at the top spins"."""
    noun = _noun(said, rng)
    subject = (article(noun) if determiner == "a" else f"the {noun}") + _at(said, rng)
    if not said.motion:
        return f"there is {subject}"
    return f"{subject} {pick(rng, lexicon.MOTIONS[said.thing.motion or 'still'])}"


def _video_sentence(scene: VideoScene, rng: Random, shares: Shares) -> str:
    order, told, relate, name_background = _plan(scene, rng, shares)
    background = scene.background if name_background else None
    relation = _true_relation(scene, order[0], order[1], rng) if relate else None
    if relation:
        clause = told[0].motion and rng.random() < 0.5
        first = _moving_clause(told[0], rng) if clause else _moving_phrase(told[0], rng)
        body = f"{first} {_way(relation, first, rng)} {_moving_phrase(told[1], rng)}"
    elif rng.random() < 0.5:
        determiner = rng.choice(("a", "a", "the"))
        clauses = [_moving_clause(said, rng, determiner) for said in told]
        body, clause = rng.choice((" and ", " while ", ", ")).join(clauses), True
    else:
        body, clause = rng.choice((" and ", " and ", ", ")).join(_moving_phrase(said, rng) for said in told), False
    opening = pick(rng, CLIP_CLAUSE_OPENINGS) if clause else rng.choice(CLIP_OPENINGS)
    return _framed(body, opening, background, rng, clause=clause)


def sentence(scene: Scene, rng: Random, *, complete: bool = False) -> str:
    """One sentence about `scene`; a complete one names every factor that it has words for.

    >>> from c3_playground.world.scenes import PictureScene, Thing
    >>> sentence(PictureScene((Thing("ring", "orange", "small", "top"),), "black"), Random(3), complete=True)
    'in this picture the little ring at the upper edge is orange on a black backdrop'
    """
    shares = COMPLETE if complete else USUAL
    if isinstance(scene, SoundScene):
        return sound_sentence(scene, rng, complete=complete)
    if isinstance(scene, VideoScene):
        return _video_sentence(scene, rng, shares)
    return _picture_sentence(scene, rng, shares)


def sentences(scene: Scene, rng: Random, n: int = 5, *, complete: bool = False) -> list[str]:
    """`n` sentences about `scene`, different from each other where a few tries find that."""
    said: list[str] = []
    for _ in range(n):
        for _ in range(8):
            new = sentence(scene, rng, complete=complete)
            if new not in said:
                break
        said.append(new)
    return said
