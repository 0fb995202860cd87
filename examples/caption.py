"""Caption pictures, videos and sounds with one captioner, which learned from sentences alone."""

from textwrap import fill

import c3core
from c3_playground.world import World

captioner = c3core.load_pipeline("playground/captioner")
print(captioner)
for modality in ("image", "video", "audio"):
    for item in World().items(modality, "test", 2):
        for name, text in ((modality, captioner(item.data)), ("truth", item.sentences[0])):
            print(fill(f"{name}: {text}", width=100, subsequent_indent="    "))

# It prints:
# Pipeline(playground → c3(noise_std=0.045) → gpt2, takes text, image, video, audio)
# image: a picture of a medium-sized orange three-sided shape, a violet five-pointed star and a pink
#     plus sign in the top left corner
# truth: in this picture an orange triangle is over a rose five-pointed star, with a purple plus sign
#     at the top right
# image: a picture of a cobalt love heart, a yellow plus sign and a rose circle in the lower right
# truth: against gray, there is a cobalt love heart, the cross is rose and the ball is yellow
# video: in this clip the medium-sized black ring at the top right blinks against a grey background
# truth: there is a mid-sized black ring in the top right corner blinking on a grey backdrop
# video: in the video a small purple love heart at the lower edge moves left below a golden circle
#     staying still
# truth: in this clip a medium-sized purple love heart rests above a yellow plus sign drifting
#     leftwards
# audio: a recording of four low buzzing sounds followed by three strong high-pitched buzzing sounds
# truth: we hear four falling low buzzing sounds, then three loud high-pitched buzzing sounds
# audio: in silence, three soft drum hits, then three mid-pitched bells
# truth: we hear three mid-range bells after three drum beats
