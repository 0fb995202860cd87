"""Choose what a sentence about a picture or a clip mentions, and name the objects."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from c3_playground.world.language import lexicon
from c3_playground.world.language.lexicon import article, pick
from c3_playground.world.scenes import HORIZONTAL, VERTICAL, PictureScene, Thing, VideoScene


@dataclass(frozen=True, slots=True)
class Shares:
    """Probabilities that a sentence names each detail. Those of `single` are for scenes of one object."""

    things: float  # all objects, not all but one
    color: float
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
    color=0.98,
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


@dataclass(frozen=True, slots=True)
class Mention:
    """An object, and which of its details the sentence names."""

    thing: Thing
    color: bool
    motion: bool
    size: bool
    place: bool

    def noun(self, rng: Random, *, adjective: str = "", color: bool = True) -> str:
        """The object without an article: "small spinning red star"."""
        words = [
            pick(rng, lexicon.SIZES[self.thing.size]) if self.size and self.thing.size else "",
            adjective,
            pick(rng, lexicon.COLORS[self.thing.color]) if self.color and color else "",
            pick(rng, lexicon.SHAPES[self.thing.shape]),
        ]
        return " ".join(word for word in words if word)

    def at(self, rng: Random) -> str:
        """The place, after a blank, or nothing."""
        return " " + pick(rng, lexicon.PLACES[self.thing.place]) if self.place else ""

    def phrase(self, rng: Random, *, adjective: str = "") -> str:
        """The object with its article and its place: "a red star at the top"."""
        return article(self.noun(rng, adjective=adjective)) + self.at(rng)

    def moving_phrase(self, rng: Random) -> str:
        """The object with its motion: "a spinning star" or "a star spinning"."""
        motion = self.thing.motion or "still"
        if not self.motion:
            return self.phrase(rng)
        if motion in lexicon.MOTION_ADJECTIVES and rng.random() < 0.4:
            return self.phrase(rng, adjective=pick(rng, lexicon.MOTION_ADJECTIVES[motion]))
        return f"{self.phrase(rng)} {pick(rng, lexicon.MOTION_PARTICIPLES[motion])}"

    def moving_clause(self, rng: Random, determiner: str = "a") -> str:
        """A clause about the object's motion: "a star at the top spins"."""
        noun = self.noun(rng)
        subject = (article(noun) if determiner == "a" else f"the {noun}") + self.at(rng)
        if not self.motion:
            return f"there is {subject}"
        return f"{subject} {pick(rng, lexicon.MOTIONS[self.thing.motion or 'still'])}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sentence mentions: objects in order, the relation of the first to the second, the background."""

    mentions: list[Mention]
    relation: str | None
    background: str | None


def plan(scene: PictureScene | VideoScene, rng: Random, shares: Shares) -> Plan:
    """Choose what a sentence about `scene` mentions."""
    order = list(range(len(scene.things)))
    rng.shuffle(order)
    single = len(order) == 1
    if not single and rng.random() >= shares.things:
        order.pop()
    relate = len(order) > 1 and rng.random() < shares.relation
    # People who say how objects lie to each other seldom say where each one lies.
    place = shares.single_place if single else shares.place * (0.4 if relate and shares.place < 1 else 1.0)
    mentions = []
    for index in order:
        thing = scene.things[index]
        crosses_the_middle = thing.motion in HORIZONTAL + VERTICAL and thing.place == "centre"
        mentions.append(
            Mention(
                thing,
                color=rng.random() < shares.color,
                motion=rng.random() < shares.motion,
                size=rng.random() < (shares.single_size if single else shares.size),
                place=rng.random() < place and not crosses_the_middle,
            )
        )
    background = rng.random() < (shares.single_background if single else shares.background)
    relation = None
    if relate and (true := [name for name in lexicon.RELATIONS if scene.holds(order[0], name, order[1])]):
        relation = rng.choice(true)
    return Plan(mentions, relation, scene.background if background else None)
