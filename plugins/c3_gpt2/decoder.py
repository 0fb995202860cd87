"""The caption decoder: a mapping network and a causal language model, as in ClipCap, trained by C3 on text alone."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from c3_gpt2 import language as languages
from c3_gpt2 import lora
from c3_gpt2.captions import Caption, CaptionOptions
from c3_gpt2.generation import continue_prefix
from c3_gpt2.language import Language
from c3_gpt2.lowered import Lowered
from c3_gpt2.mapping import build_mapping
from c3_gpt2.settings import FRESH, Saved, Settings
from c3_gpt2.tokens import Tokens, decode, encode, kept
from c3core.contracts import Decoder, GenerateOptions, Reader
from c3core.errors import C3Error, WrongCall
from c3core.io import checked, read_checked, read_tensors, refuse_pickles, write_json, write_tensors
from c3core.media import TextReader
from c3core.runtime import device_of


class CaptionDecoder(Decoder):
    """Sentences from conditions.

    A mapping network turns a condition (n, condition_dim) into a prefix of `prefix_length` tokens, after which the
    language model writes the sentence. The loss is the mean negative log-likelihood of its tokens, the end included.

    `options` are the fields of `Settings`. `language`, a model with its tokenizer that is loaded already, stands in for
    `model`. `prepare` makes what is learned from scratch; before it (or `load`) the decoder has no use.

    >>> decoder = CaptionDecoder(8, model="fresh", layers=1, heads=2, width=16, vocabulary=300)
    >>> decoder.prepare(["a red circle", "a blue square"])
    >>> loss = decoder.loss(torch.zeros(2, 8), decoder.collate(["a red circle", "a blue square"]))
    >>> len(decoder.generate(torch.zeros(3, 8), {"max_new_tokens": 5}))
    3
    """

    name: ClassVar[str] = "gpt2"
    modality: ClassVar[str] = "text"
    Options: ClassVar[type[GenerateOptions]] = CaptionOptions

    def __init__(
        self, condition_dim: int, *, language: Language | None = None, device: str = "auto", **options: Any
    ) -> None:
        super().__init__()
        self.condition_dim = condition_dim
        self.settings = checked(Settings, options, what=f"options of decoder {self.name!r}")
        if self.settings.train == "lora":
            lora.require_peft()
        self.language: Language | None = None
        self.model: Any = None
        self.mapping: nn.Module | None = None
        self._device = device_of(device)
        self._lowered = Lowered()
        self._said_cut = False
        if language is None and self.settings.model != FRESH:
            language = languages.pretrained(self.settings.model)
        if language is not None:
            self._take(language)

    def _take(self, language: Language) -> None:
        longest = self.settings.prefix_length + self.settings.max_tokens
        if language.positions is not None and longest > language.positions:
            raise C3Error(
                f"prefix_length {self.settings.prefix_length} and max_tokens {self.settings.max_tokens} do not fit the"
                f" language model's {language.positions} positions. Lower one of them."
            )
        self.language, self.model, self.license = language, language.model, language.license
        dropouts = [module for module in self.model.modules() if isinstance(module, nn.Dropout)]
        if self.settings.dropout and not dropouts:
            raise WrongCall(
                f"{self.settings.model!r} has no dropout layers, as newer models seldom have: leave dropout out."
            )
        for module in dropouts:
            module.p = module.p if self.settings.dropout is None else self.settings.dropout

    def _build(self, language: Language) -> None:
        """The parts around the language model, with random weights."""
        settings = self.settings
        self.mapping = build_mapping(
            settings.mapping,
            self.condition_dim,
            language.width,
            settings.prefix_length,
            layers=settings.mapping_layers,
        )
        if settings.train == "lora":
            lora.add_adapters(self.model, settings.lora_rank)
        elif settings.train == "mapping":
            self.model.requires_grad_(False)
        self.to(self._device)

    def _ready(self) -> tuple[Language, nn.Module]:
        """The language model and the mapping network; a `C3Error` before `prepare`."""
        if self.language is None or self.mapping is None:
            raise C3Error(f"decoder {self.name!r} is not prepared: call `prepare` with sentences, or fit its pipeline.")
        return self.language, self.mapping

    # ---- training

    def reader(self) -> Reader:
        """Sentences are read by the core's text reader."""
        return TextReader()

    def prepare(self, targets: Iterable[str]) -> None:
        """Make what is learned from scratch, with weights drawn from torch's global generator.

        A fresh model learns its subwords from the stream of sentences; a pretrained one takes nothing from it. Does
        nothing when the decoder is prepared or loaded already: fine-tuning keeps its words.
        """
        if self.mapping is not None:
            return
        if self.language is None:
            self._take(languages.fresh(targets, self.settings))
        assert self.language is not None
        self._build(self.language)

    def train(self, mode: bool = True) -> Self:
        """As any module; a language model that is not trained stays in eval mode."""
        super().train(mode)
        if self.settings.train == "mapping" and self.model is not None:
            self.model.eval()
        return self

    def collate(self, targets: Sequence[str]) -> Tokens:
        """Sentences as `Tokens` on the decoder's device. Longer ones than `max_tokens` are cut, which is said once."""
        language, mapping = self._ready()
        if not len(targets):
            raise C3Error("an empty batch has no loss: give at least one sentence.")
        for target in targets:
            if not isinstance(target, str):
                raise C3Error(f"sentences must be strings, got {type(target).__name__}. Use the decoder's reader.")
        tokens, cut = encode(language.tokenizer, targets, language.end, self.settings.max_tokens)
        if cut and not self._said_cut:
            self._said_cut = True
            warnings.warn(f"sentences of more than max_tokens={self.settings.max_tokens} tokens are cut.", stacklevel=2)
        device = next(mapping.parameters()).device
        return Tokens(tokens.ids.to(device), tokens.keep.to(device))

    def loss(self, conditions: Tensor, batch: Tokens) -> Tensor:
        """The mean of -log p(token | condition, tokens before) over the batch's tokens, ends of text included.

        `conditions` (n, condition_dim) and `batch` of n sentences on the decoder's device.
        """
        conditions = self.check(conditions, len(batch.ids))
        lowered = self.settings.precision == "bfloat16"
        total = torch.zeros((), device=conditions.device)
        for rows, part in batch.by_length(max(16, -(-len(conditions) // 2))):
            with torch.autocast(conditions.device.type, torch.bfloat16) if lowered else nullcontext():
                logits = self._logits(self.model, conditions[rows], part)
            total = total + F.cross_entropy(logits.float(), part.ids[part.keep], reduction="sum")
        return total / batch.keep.sum()

    def _logits(self, model: Any, conditions: Tensor, batch: Tokens) -> Tensor:
        """(m, vocabulary) logits of the m tokens that `batch` keeps, row by row."""
        _, mapping = self._ready()
        words = model.get_input_embeddings()(batch.ids[:, :-1])  # (n, t-1, width): nothing follows the last token
        prefix = mapping(conditions).to(words.dtype)  # (n, p, width)
        # The token at place i is predicted at place p-1+i. No attention mask: padding stands behind all that counts.
        predicting = F.pad(batch.keep, (prefix.shape[1] - 1, 0))
        inputs = torch.cat([prefix, words], dim=1)
        out: Tensor = model(inputs_embeds=inputs, logits_to_keep=predicting, use_cache=False).logits
        return out

    # ---- use

    def generate(
        self, conditions: Tensor, options: Any = None, *, generator: torch.Generator | None = None
    ) -> list[Caption]:
        """One `Caption` a condition, in order. `options` are `CaptionOptions` or a mapping of its fields.

        In float32, greedy captions and those of a beam do not depend on the batch that a condition is in.
        """
        language, _ = self._ready()
        chosen: CaptionOptions = self.options(options)
        conditions = self.check(conditions)
        if language.positions is not None:
            room = language.positions - self.settings.prefix_length
            if chosen.max_new_tokens > room:
                raise WrongCall(f"max_new_tokens {chosen.max_new_tokens}: the language model has room for {room}.")
        if not len(conditions):
            return []
        training = self.training
        self.eval()
        try:
            with torch.inference_mode():
                batches = torch.split(conditions.float(), chosen.batch_size)
                return [caption for batch in batches for caption in self._captions(batch, chosen, generator)]
        finally:
            self.train(training)

    def _captions(
        self, conditions: Tensor, options: CaptionOptions, generator: torch.Generator | None
    ) -> list[Caption]:
        language, mapping = self._ready()
        lowered = (options.precision or self.settings.precision) == "bfloat16"
        model = self._lowered.of(self.model) if lowered else self.model
        ids = continue_prefix(model, mapping(conditions).to(model.dtype), options, language.end, generator)
        keep = kept(ids, language.end)
        texts = decode(language.tokenizer, ids, keep)
        if not options.scores:
            return [Caption(text) for text in texts]
        scores = self._scores(model, conditions, Tokens(ids, keep))
        return [Caption(text, score) for text, score in zip(texts, scores, strict=True)]

    def _scores(self, model: Any, conditions: Tensor, batch: Tokens) -> list[float]:
        """The mean log-probability of each row's tokens."""
        logits = self._logits(model, conditions, batch).float()
        losses = F.cross_entropy(logits, batch.ids[batch.keep], reduction="none")
        totals = torch.zeros(batch.keep.shape, device=losses.device).masked_scatter(batch.keep, losses).sum(1)
        means: list[float] = (-totals / batch.keep.sum(1)).tolist()
        return means

    # ---- files

    def save(self, folder: Path) -> None:
        """Write `model/` like transformers, `mapping.safetensors`, LoRA's `adapter.safetensors` and `decoder.json`."""
        language, mapping = self._ready()
        folder, adapted = Path(folder), self.settings.train == "lora"
        languages.write(language, folder / "model", weights=lora.base_state(self.model) if adapted else None)
        write_tensors(folder / "mapping.safetensors", mapping.state_dict())
        if adapted:
            write_tensors(folder / "adapter.safetensors", lora.adapter_state(self.model))
        settings = self.settings.model_dump(mode="json")
        config = {"condition_dim": self.condition_dim, "license": self.license, "settings": settings}
        write_json(folder / "decoder.json", config)

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto") -> Self:
        """The decoder that `save` wrote. Raises `C3Error` if a file is missing, broken, of another size or pickled."""
        folder = Path(folder)
        saved = read_checked(Saved, folder / "decoder.json", of=f"a {cls.name!r} decoder")
        refuse_pickles(folder)
        language = languages.from_folder(folder / "model", saved.license)
        decoder = cls(saved.condition_dim, language=language, device=device, **saved.settings.model_dump())
        decoder._build(language)
        _, mapping = decoder._ready()
        read_tensors(folder / "mapping.safetensors", mapping, mapping.state_dict())
        if decoder.settings.train == "lora":
            read_tensors(folder / "adapter.safetensors", decoder.model, lora.adapter_state(decoder.model))
        return decoder.eval()
