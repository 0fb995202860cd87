"""Small models of the real classes with random weights, saved in the real format with real tokenizers and processors."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import (
    AlignConfig,
    AlignModel,
    AlignProcessor,
    AltCLIPConfig,
    AltCLIPModel,
    AltCLIPProcessor,
    BertTokenizerFast,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    ClapProcessor,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    CLIPTokenizer,
    EfficientNetImageProcessor,
    GemmaTokenizer,
    RobertaTokenizer,
    Siglip2Config,
    Siglip2ImageProcessor,
    Siglip2Model,
    Siglip2Processor,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
    SiglipProcessor,
    SiglipTokenizer,
    XLMRobertaTokenizer,
)

CORPUS = [
    f"a photo of {n} {what} in the {where}"
    for n in ("one", "two", "three")
    for what in ("dogs", "cats", "red circles")
    for where in ("sun", "rain", "wide field")
]


SIDE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def save(folder: Path, model: Any, processor: Any) -> Path:
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def make_clip(folder: Path) -> Path:
    letters = [chr(code) for code in range(33, 127)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters), "do", "dog</w>"]
    vocabulary = {word: at for at, word in enumerate(words)}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=[("d", "o"), ("do", "g</w>")], model_max_length=20)
    ends = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    text = {**SIDE, "vocab_size": len(vocabulary), "max_position_embeddings": 20, **ends}
    config = CLIPConfig(text_config=text, vision_config={**SIDE, "image_size": 30, "patch_size": 10}, projection_dim=24)
    torch.manual_seed(0)
    pictures = CLIPImageProcessor(size={"shortest_edge": 30}, crop_size={"height": 30, "width": 30})
    return save(folder, CLIPModel(config), CLIPProcessor(pictures, tokenizer))


def make_siglip(folder: Path) -> Path:
    folder.mkdir()
    pieces = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS * 3), model_writer=pieces, vocab_size=60, hard_vocab_limit=False,
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2,
    )  # fmt: skip
    (folder / "spiece.model").write_bytes(pieces.getvalue())
    tokenizer = SiglipTokenizer(str(folder / "spiece.model"), model_max_length=16)
    text = {**SIDE, "vocab_size": len(tokenizer), "max_position_embeddings": 16, "projection_size": 32}
    config = SiglipConfig(text_config=text, vision_config={**SIDE, "image_size": 32, "patch_size": 8})
    torch.manual_seed(1)
    return save(
        folder, SiglipModel(config), SiglipProcessor(SiglipImageProcessor(size={"height": 32, "width": 32}), tokenizer)
    )


def make_clap(folder: Path, *, fusion: bool = False) -> Path:
    folder.mkdir()
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        CORPUS, vocab_size=320, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"], show_progress=False
    )
    trained.save_model(str(folder))
    tokenizer = RobertaTokenizer.from_pretrained(folder, model_max_length=512)
    ends = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    text = {**SIDE, "vocab_size": len(tokenizer), "max_position_embeddings": 42, **ends}
    bins = 64 if fusion else 16  # the extractor knows fusion with 64 alone
    sound = {
        "spec_size": 2 * bins if fusion else 64, "num_mel_bins": bins, "patch_embeds_hidden_size": 16, "hidden_size": 64, "depths": [1, 1, 1], "num_hidden_layers": 3,
        "num_attention_heads": [2, 2, 4], "window_size": 4, "patch_size": 4, "patch_stride": [4, 4], "enable_fusion": fusion,
    }  # fmt: skip
    config = ClapConfig(text_config=text, audio_config=sound, projection_dim=24)
    torch.manual_seed(2)
    extractor = ClapFeatureExtractor(
        feature_size=bins, sampling_rate=8000, hop_length=80, max_length_s=1, fft_window_size=256, frequency_max=4000,
        truncation="fusion" if fusion else "rand_trunc", padding="repeatpad",
    )  # fmt: skip
    return save(folder, ClapModel(config), ClapProcessor(extractor, tokenizer))


def make_align(folder: Path) -> Path:
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = {word for sentence in CORPUS for word in sentence.split()} | {
        *letters,
        *(f"##{letter}" for letter in letters),
    }
    vocabulary = {word: at for at, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(words)])}
    text = {**SIDE, "vocab_size": len(vocabulary), "max_position_embeddings": 64}
    vision = {
        "image_size": 32,
        "hidden_dim": 80,
        "width_coefficient": 0.25,
        "depth_coefficient": 0.25,
        "pooling_type": "mean",
    }
    torch.manual_seed(3)
    model = AlignModel(AlignConfig(text_config=text, vision_config=vision, projection_dim=80))
    for weight in (
        model.vision_model.parameters()
    ):  # as they are drawn, nothing of a picture is left at the end: its embedding is 0
        if weight.ndim > 1:
            torch.nn.init.kaiming_normal_(weight)
    pictures = EfficientNetImageProcessor(size={"height": 32, "width": 32}, include_top=False)
    return save(folder, model, AlignProcessor(pictures, BertTokenizerFast(vocab=vocabulary, model_max_length=64)))


def make_altclip(folder: Path) -> Path:
    folder.mkdir()
    pieces = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS * 3), model_writer=pieces, vocab_size=60, hard_vocab_limit=False, minloglevel=2
    )
    (folder / "sentencepiece.bpe.model").write_bytes(pieces.getvalue())
    tokenizer = XLMRobertaTokenizer.from_pretrained(folder, model_max_length=20)
    text = {**SIDE, "vocab_size": len(tokenizer), "max_position_embeddings": 24, "project_dim": 24, "pad_token_id": 1}
    torch.manual_seed(4)
    config = AltCLIPConfig(
        text_config=text, vision_config={**SIDE, "image_size": 30, "patch_size": 10}, projection_dim=24
    )
    pictures = CLIPImageProcessor(size={"shortest_edge": 30}, crop_size={"height": 30, "width": 30})
    return save(folder, AltCLIPModel(config), AltCLIPProcessor(pictures, tokenizer))


def make_siglip2(folder: Path) -> Path:
    """Pictures keep their proportions: a processor cuts them into up to 256 patches and says which are padding."""
    letters = sorted({letter for sentence in CORPUS for letter in sentence} | {"\u2581"})
    vocabulary = {word: at for at, word in enumerate(["<pad>", "<eos>", "<bos>", "<unk>", *letters])}
    tokenizer = GemmaTokenizer(vocab=vocabulary, merges=[], model_max_length=16)
    text = {**SIDE, "vocab_size": len(tokenizer), "max_position_embeddings": 16, "projection_size": 32}
    torch.manual_seed(5)
    model = Siglip2Model(Siglip2Config(text_config=text, vision_config={**SIDE, "num_patches": 256, "patch_size": 16}))
    return save(folder, model, Siglip2Processor(Siglip2ImageProcessor(patch_size=16, max_num_patches=256), tokenizer))
