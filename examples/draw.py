"""Draw sentences with a painter that learned from pictures alone."""

import c3core

sentences = ["a large red ring on white", "a large blue star on white", "a small green square on black"]
painter = c3core.load_pipeline("playground/painter")
pictures = painter(sentences, best_of=8)  # of eight pictures of a sentence, the one that the space sees nearest to it

space = painter.space
likeness = space.encode(pictures, "image") @ space.encode(sentences, "text").T
for number, (sentence, row) in enumerate(zip(sentences, likeness, strict=True)):
    pictures[number].save(f"drawn-{number}.png")
    print(f"{sentence}: drawn-{number}.png, which is nearest to {sentences[row.argmax()]!r}")

# It prints:
# a large red ring on white: drawn-0.png, which is nearest to 'a large red ring on white'
# a large blue star on white: drawn-1.png, which is nearest to 'a large blue star on white'
# a small green square on black: drawn-2.png, which is nearest to 'a small green square on black'
