"""Draw pictures for sentences with a pretrained unCLIP and a C3 bridge, without training anything.

    python unclip_through_bridge.py "a red circle" "a blue star on white"
    python unclip_through_bridge.py "a fox in the snow" --space clip:ViT-H-14/laion2b_s32b_b79k \\
        --model stabilityai/stable-diffusion-2-1-unclip --sentences captions.txt --pictures photos/ --steps 25

The first command runs offline in seconds, with a tiny unCLIP of random weights that it builds. It shows how the parts
fit together; its pictures mean nothing. The second command downloads some gigabytes from the hub, and is slow without a
GPU. Both do the same. An unCLIP draws from the embedding of a picture. The bridge makes one of a sentence's embedding:
it shifts it from the mean of the sentences to the mean of the pictures, and scales it to the norm of the pictures.
Sentences and pictures need no pairs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import c3core
from c3_playground.world import World
from c3core.errors import C3Error
from c3core.io import make_folder
from c3core.registry import entry
from c3core.runtime import exit_cleanly


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prompts", nargs="*", default=["a red circle", "a red square"])
    parser.add_argument("--space", default="playground", help="space of the CLIP that the model was trained with")
    parser.add_argument(
        "--model", help="a Stable unCLIP: its name on the hub, or its folder (default: build a tiny random one)"
    )
    parser.add_argument("--sentences", nargs="*", default=[], help=".txt of one sentence a line, or table.csv:column")
    parser.add_argument(
        "--pictures", nargs="*", default=[], help="files to take the mean and the norm of; the more the better"
    )
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("drawn"))
    words = parser.parse_args()

    entry("decoder", "unclip").load()  # fails early if a library is missing
    make_folder(words.out)
    space = c3core.load_space(words.space)
    model = words.model or str(tiny_unclip(words.out / "tiny_unclip", space.dim))
    examples = World().items("image", "train", 40)  # if no sentences or pictures are given
    items: dict[str, Any] = {
        "text": [item.sentences[0] for item in examples],
        "image": [item.data for item in examples],
    }
    given = {"text": words.sentences, "image": words.pictures}
    items |= {modality: c3core.load_items(inputs, modality) for modality, inputs in given.items() if inputs}

    decoder = c3core.load_decoder("unclip", space=space, model=model)
    pipeline = c3core.Pipeline(space, c3core.load_bridge("c3"), decoder)
    pipeline.check_run(steps=words.steps, seed=words.seed)  # refuses a wrong option before the slow part
    pipeline.fit(items)  # fits only the bridge

    drawn = pipeline(words.prompts, modality="text", steps=words.steps, seed=words.seed)
    if all(isinstance(picture, c3core.BadItem) for picture in drawn):
        raise C3Error(f"no prompt could be drawn: {drawn[0]}")
    for number, (prompt, picture) in enumerate(zip(words.prompts, drawn, strict=True)):
        if isinstance(picture, c3core.BadItem):
            print(f"left out: {picture}", file=sys.stderr)
            continue
        path = words.out / f"{number:03d}.png"
        decoder.write(picture, path)
        print(f"{path}: {prompt}")
    if not words.model:
        print("The model is random, so these pictures mean nothing. Give a real one with --model, and its --space.")
    pipeline.save_pretrained(words.out / "pipeline")
    print(f"To draw more: c3 run {words.out / 'pipeline'} SENTENCE --modality text --out FOLDER")


def tiny_unclip(folder: Path, dim: int) -> Path:
    """Save a Stable unCLIP of random weights, for embeddings of size `dim` and pictures of 16 × 16 pixels."""
    import diffusers
    import torch
    import transformers
    from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import StableUnCLIPImageNormalizer
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(0)
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    text = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=8,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    unet = diffusers.UNet2DConditionModel(
        sample_size=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(16, 16),
        layers_per_block=1,
        attention_head_dim=8,
        cross_attention_dim=16,
        norm_num_groups=8,
        class_embed_type="projection",
        projection_class_embeddings_input_dim=2 * dim,
    )
    vae = diffusers.AutoencoderKL(
        block_out_channels=(16, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=16,
    )
    pipeline = diffusers.StableUnCLIPImg2ImgPipeline(
        feature_extractor=None,
        image_encoder=None,
        image_normalizer=StableUnCLIPImageNormalizer(dim),
        image_noising_scheduler=diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        tokenizer=CLIPTokenizer(
            vocab={word: number for number, word in enumerate(words)}, merges=[], model_max_length=8
        ),
        text_encoder=CLIPTextModel(text),
        unet=unet,
        scheduler=diffusers.DDIMScheduler(
            beta_schedule="scaled_linear", prediction_type="v_prediction", clip_sample=False
        ),
        vae=vae,
    )
    for libraries in (diffusers.utils.logging, transformers.utils.logging):
        libraries.disable_progress_bar()
        libraries.set_verbosity_error()  # they warn of each optional part that is missing
    pipeline.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    with exit_cleanly():
        main()
