"""Write sentences about scenes that are true, varied, and about as complete as people's.

All are lower case without a full stop. Most name every object with its main factors and some of the others; a few leave
out an object or a color.
"""

from __future__ import annotations

from random import Random

from c3_playground.world.language import lexicon
from c3_playground.world.language.lexicon import article, pick
from c3_playground.world.language.mentions import COMPLETE, USUAL, Mention, Shares, plan
from c3_playground.world.language.sound_sentences import sound_sentence
from c3_playground.world.scenes import COLUMNS, ROWS, PictureScene, Scene, SoundScene, VideoScene

PICTURE_OPENINGS = ("", "there is ", "a picture of ", "an image of ", "this picture shows ", "you can see ", "here is ")
CLAUSE_OPENINGS = ("", "in this picture ", "in the image ")
VERBS = ("is", "sits", "lies")
CLIP_OPENINGS = ("a video of ", "a clip of ", "there is ", "this clip shows ", "you can see ", "")
CLIP_CLAUSE_OPENINGS = ("", "in this clip ", "in the video ")
_LAST_WORDS_OF_NOUNS = tuple(way for ways in lexicon.SHAPES.values() for way in ways)


def sentence(scene: Scene, rng: Random, *, complete: bool = False) -> str:
    """One sentence about `scene`. A complete one names every factor.

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
    """`n` sentences about `scene`, different ones if a few tries find them."""
    written: list[str] = []
    for _ in range(n):
        for _ in range(8):
            new = sentence(scene, rng, complete=complete)
            if new not in written:
                break
        written.append(new)
    return written


def _listed(phrases: list[str], rng: Random) -> str:
    if len(phrases) == 1:
        return phrases[0]
    return ", ".join(phrases[:-1]) + rng.choice((" and ", " and ", " with ")) + phrases[-1]


def _way(relation: str, before: str, rng: Random) -> str:
    """Words for `relation` after the words `before`: not just "left of" after "at the top" or "moves up"."""
    way = pick(rng, lexicon.RELATIONS[relation])
    return way if before.endswith(_LAST_WORDS_OF_NOUNS) else lexicon.RELATIONS[relation][0]


def _on(background: str, rng: Random) -> str:
    way = pick(rng, lexicon.BACKGROUNDS[background])
    preposition = pick(rng, lexicon.BACKGROUND_PREPOSITIONS)
    if rng.random() < 0.3:
        return f"{preposition} {way}"
    return f"{preposition} a {way} {pick(rng, lexicon.BACKGROUND_NOUNS)}"


def _framed(body: str, opening: str, background: str | None, rng: Random, *, clause: bool) -> str:
    """`body` with an opening, and with the background before or after it."""
    if background is None:
        return opening + body
    chance = rng.random()
    if chance < 0.2:
        return f"{_on(background, rng)}, {body}" if clause else f"{_on(background, rng)} there is {body}"
    if chance < 0.3 and not clause:
        return f"a {pick(rng, lexicon.BACKGROUNDS[background])} {rng.choice(lexicon.BACKGROUND_NOUNS)} with {body}"
    return f"{opening}{body} {_on(background, rng)}"


def _related(mentions: list[Mention], relation: str, rng: Random) -> tuple[str, bool]:
    """The first two objects in their relation, then the third, and whether the words are a clause."""
    first, second = mentions[0].phrase(rng), mentions[1].phrase(rng)
    rest = rng.choice((" and ", ", with ")) + mentions[2].phrase(rng) if len(mentions) > 2 else ""
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


def _stated(mentions: list[Mention], rng: Random) -> str:
    """A clause about each object: "the circle is red and the star is blue"."""
    clauses = []
    for mention in mentions:
        if mention.color and rng.random() < 0.6:
            color = pick(rng, lexicon.COLORS[mention.thing.color])
            clauses.append(f"the {mention.noun(rng, color=False)}{mention.at(rng)} is {color}")
        elif mention.place:
            clauses.append(f"{article(mention.noun(rng))} {rng.choice(VERBS)}{mention.at(rng)}")
        else:
            clauses.append(f"there is {mention.phrase(rng)}")
    return clauses[0] if len(clauses) == 1 else ", ".join(clauses[:-1]) + " and " + clauses[-1]


def _are_neighbors(mentions: list[Mention]) -> bool:
    if len(mentions) != 2:
        return False
    a, b = mentions[0].thing.place, mentions[1].thing.place
    return abs(ROWS[a] - ROWS[b]) + abs(COLUMNS[a] - COLUMNS[b]) == 1


def _picture_sentence(scene: PictureScene, rng: Random, shares: Shares) -> str:
    planned = plan(scene, rng, shares)
    mentions, relation = planned.mentions, planned.relation
    if relation:
        body, clause = _related(mentions, relation, rng)
    elif rng.random() < 0.15:
        body, clause = _stated(mentions, rng), True
    elif _are_neighbors(mentions) and rng.random() < 0.4:
        beside = rng.choice(("next to", "beside"))
        body, clause = f"{mentions[0].phrase(rng)} {beside} {mentions[1].phrase(rng)}", False
    else:
        body, clause = _listed([mention.phrase(rng) for mention in mentions], rng), False
    if clause:
        return _framed(body, pick(rng, CLAUSE_OPENINGS), planned.background, rng, clause=True)
    return _framed(body, rng.choice(PICTURE_OPENINGS), planned.background, rng, clause=False)


def _video_sentence(scene: VideoScene, rng: Random, shares: Shares) -> str:
    planned = plan(scene, rng, shares)
    mentions, relation = planned.mentions, planned.relation
    if relation:
        clause = mentions[0].motion and rng.random() < 0.5
        first = mentions[0].moving_clause(rng) if clause else mentions[0].moving_phrase(rng)
        body = f"{first} {_way(relation, first, rng)} {mentions[1].moving_phrase(rng)}"
    elif rng.random() < 0.5:
        determiner = rng.choice(("a", "a", "the"))
        clauses = [mention.moving_clause(rng, determiner) for mention in mentions]
        body, clause = rng.choice((" and ", " while ", ", ")).join(clauses), True
    else:
        body, clause = (
            rng.choice((" and ", " and ", ", ")).join(mention.moving_phrase(rng) for mention in mentions),
            False,
        )
    opening = pick(rng, CLIP_CLAUSE_OPENINGS) if clause else rng.choice(CLIP_OPENINGS)
    return _framed(body, opening, planned.background, rng, clause=clause)
