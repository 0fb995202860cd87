"""The caption decoder: a mapping network and a causal language model, as in ClipCap, trained by C3 on text only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from c3_gpt2 import language as languages
from c3_gpt2 import lora
from c3_gpt2.bfloat16_copy import Bfloat16Copy
from c3_gpt2.caption import Caption, CaptionOptions
from c3_gpt2.generation import continue_prefix
from c3_gpt2.guidance.beams import Beams
from c3_gpt2.guidance.cider import Cider
from c3_gpt2.guidance.drafts import Drafts
from c3_gpt2.guidance.likeness import Likeness
from c3_gpt2.guidance.magic import magic
from c3_gpt2.guidance.rerank import rerank
from c3_gpt2.guidance.self_critical import rewards, self_critical_loss
from c3_gpt2.guidance.zerocap import zerocap
from c3_gpt2.language import Language
from c3_gpt2.mapping import build_mapping
from c3_gpt2.settings import FRESH, Settings
from c3_gpt2.tokens import Tokens, decode, encode, stopped, until_end
from c3core.contracts import Decoder, DecoderSettings, GenerationOptions, Objective, OutputEncoder, Reader
from c3core.errors import WrongCall
from c3core.io import UNKNOWN_LICENSE, read_tensors, write_tensors
from c3core.media import TextReader, TruncationCheck
from c3core.runtime import compute_dtype

KEPT = {"max_new_tokens", "stop_strings", "suppress_tokens"}  # of the options of use, by captions that are sampled
DRAWS = 3  # captions of a condition that are compared by CIDEr


class CaptionDecoder(Decoder):
    """Sentences from conditions.

    A mapping network turns a condition (n, condition_dim) into a prefix of `prefix_length` tokens, and the language
    model continues it with a sentence. `Settings` lists the options; `language`, a loaded model with its tokenizer, can
    be given instead of the setting `model`.

    >>> decoder = CaptionDecoder(8, model="fresh", layers=1, heads=2, width=16, vocabulary=300)
    >>> decoder.prepare(["a red circle", "a blue square"])
    >>> loss = decoder.loss(torch.zeros(2, 8), decoder.collate(["a red circle", "a blue square"]))
    >>> len(decoder.generate(torch.zeros(3, 8), {"max_new_tokens": 5}))
    3
    """

    name: ClassVar[str] = "gpt2"
    modality: ClassVar[str] = "text"
    settings_class: ClassVar[type[DecoderSettings]] = Settings
    options_class: ClassVar[type[GenerationOptions]] = CaptionOptions
    trainable_options: ClassVar[frozenset[str]] = frozenset({"reward", "reward_weight", "weights"})
    settings: Settings
    mapping: nn.Module

    def __init__(
        self,
        condition_dim: int,
        *,
        language: Language | None = None,
        device: str | torch.device = "auto",
        **settings: Any,
    ) -> None:
        super().__init__(condition_dim, device=device, **settings)
        if self.settings.train == "lora":
            lora.require_peft()
        self.language: Language | None = None
        self.model: Any = None
        self._copy = Bfloat16Copy()
        self._cider: Cider | None = None
        self._check_length = TruncationCheck(self.settings.max_tokens)
        if language is None and self.settings.model != FRESH:
            language = languages.pretrained(self.settings.model)
        if language is not None:
            self._take(language)
        if self.settings.train == "none":
            self.trainable = False
            self.prepare(())

    def _take(self, language: Language) -> None:
        longest = self.settings.places + self.settings.max_tokens
        if language.positions is not None and longest > language.positions:
            raise WrongCall(
                f"prefix_length {self.settings.places} and max_tokens {self.settings.max_tokens} do not fit the"
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

    def prepare(self, targets: Iterable[str]) -> None:
        """As any decoder. For the reward CIDEr, learn from the sentences how rare each n-gram is."""
        if self.settings.reward == "cider":
            targets = list(targets)
            self._cider = Cider(targets)
        super().prepare(targets)

    def _build(self, targets: Iterable[str]) -> None:
        """Make the mapping network and, with `model="fresh"`, the language model with subwords of `targets`."""
        settings = self.settings
        if self.language is None:
            self._take(languages.fresh(targets, settings))
        if settings.mapping == "none":
            self.mapping = nn.Identity()  # without a weight; `_prefix` starts with the start of text
        else:
            width, length = self._language().width, settings.prefix_length
            self.mapping = build_mapping(
                settings.mapping, self.condition_dim, width, length, layers=settings.mapping_layers
            )
        if settings.train == "lora":
            lora.add_adapters(self.model, settings.lora_rank)
        elif settings.train in ("mapping", "none"):
            self.model.requires_grad_(False)

    def _language(self) -> Language:
        if self.language is None:
            self._check_prepared()
        assert self.language is not None
        return self.language

    # ---- training

    def reader(self) -> Reader:
        """The core's text reader."""
        return TextReader()

    def train(self, mode: bool = True) -> Self:
        """As any module. A language model that is not trained stays in eval mode."""
        super().train(mode)
        if self.settings.train in ("mapping", "none") and self.model is not None:
            self.model.eval()
        return self

    def collate(self, targets: Sequence[str]) -> Tokens:
        """Sentences as `Tokens` on the decoder's device. Those of more than `max_tokens` are cut, with one warning."""
        language = self._language()
        if not len(targets):
            raise WrongCall("an empty batch has no loss: give at least one sentence.")
        for target in targets:
            if not isinstance(target, str):
                raise WrongCall(f"sentences must be strings, got {type(target).__name__}. Use the decoder's reader.")
        settings = self.settings
        tokens, cut = encode(
            language.tokenizer, targets, language.end, settings.max_tokens, end_of_text=settings.end_of_text
        )
        self._check_length(lambda: cut > 0)
        return Tokens(tokens.ids.to(self.device), tokens.keep.to(self.device))

    def objectives(self) -> list[Objective]:
        """The loss of the sentences, with `reward_weight` plus that of the reward."""
        found = super().objectives()
        return [replace(one, loss=self._rewarded_loss) for one in found] if self.settings.reward_weight else found

    def _rewarded_loss(self, conditions: Tensor, batch: Tokens) -> Tensor:
        """The loss of the sentences, and that of captions of these conditions, or of as many unpaired inputs."""
        by_cider = self.settings.reward == "cider"
        reinforced = self._by_cider(conditions, batch) if by_cider else self._by_likeness(conditions)
        return self.loss(conditions, batch) + self.settings.reward_weight * reinforced

    def _by_likeness(self, conditions: Tensor) -> Tensor:
        if self.output_encoder is None:
            raise WrongCall("reward_weight needs the space's encoders: train by a pipeline, or set `output_encoder`.")
        inputs = self.output_encoder.inputs(len(conditions)).to(self.device)
        greedy, sampled = self.generate(inputs), self._sampled(inputs)
        one, other = (rewards(self.output_encoder, captions, inputs) for captions in (sampled, greedy))
        return self._reinforced(inputs, sampled, one, other)

    def _by_cider(self, conditions: Tensor, batch: Tokens) -> Tensor:
        if self._cider is None:
            raise WrongCall("reward=cider counts the words of the sentences. Call decoder.prepare(sentences) first.")
        cider, sentences = self._cider, decode(self._language().tokenizer, batch.ids, batch.keep)
        inputs = conditions.repeat_interleave(DRAWS, dim=0)
        sampled = self._sampled(inputs)
        found = [cider(caption, sentences[number // DRAWS]) for number, caption in enumerate(sampled)]
        reward = torch.tensor(found, device=self.device).view(-1, DRAWS)
        others = (reward.sum(1, keepdim=True) - reward) / (DRAWS - 1)
        return self._reinforced(inputs, sampled, reward.flatten(), others.flatten())

    def _sampled(self, conditions: Tensor) -> list[Caption]:
        return self.generate(
            conditions, CaptionOptions(do_sample=True, **self.check_options(None).model_dump(include=KEPT))
        )

    def _reinforced(self, conditions: Tensor, captions: Sequence[str], reward: Tensor, baseline: Tensor) -> Tensor:
        """The self-critical loss of sampled captions of conditions."""
        dtype, tokens = compute_dtype(self.settings.precision, self.device), self.collate(captions)
        with torch.autocast(self.device.type, dtype) if dtype is torch.bfloat16 else nullcontext():
            likelihood = self._log_probabilities(self.model, self._prefix(self.model, conditions), tokens)
        return self_critical_loss(likelihood, tokens.keep.sum(1), reward, baseline)

    def loss(self, conditions: Tensor, batch: Tokens) -> Tensor:
        """The mean of −log p(token | condition, earlier tokens) over the tokens of a batch, ends of text included.

        0 for a batch without a token: of empty sentences, if the decoder learns no ends of text.
        """
        conditions = self.check_conditions(conditions, len(batch.ids))
        dtype = compute_dtype(self.settings.precision, self.device)
        total = torch.zeros((), device=conditions.device)
        for rows, part in batch.by_length(max(16, -(-len(conditions) // 2))):
            with torch.autocast(self.device.type, dtype) if dtype is torch.bfloat16 else nullcontext():
                logits = self._logits(self.model, self._prefix(self.model, conditions[rows]), part)
            total = total + F.cross_entropy(logits.float(), part.ids[part.keep], reduction="sum")
        return total / batch.keep.sum().clamp_min(1)

    def _prefix(self, model: Any, conditions: Tensor, prompt: str = "") -> Tensor:
        """Return what stands before the sentences, (n, p, width): the mapped conditions or a start, and the prompt."""
        embed, ids = model.get_input_embeddings(), self._prompt_ids(prompt)
        if self.settings.mapping == "none":
            ids = [self._language().start, *ids]
        words: Tensor = embed(torch.tensor(ids, dtype=torch.long, device=conditions.device))
        words = words.expand(len(conditions), -1, -1)  # (n, q, width)
        if self.settings.mapping == "none":
            return words
        return torch.cat([self.mapping(conditions).to(words.dtype), words], dim=1)

    def _prompt_ids(self, prompt: str) -> list[int]:
        ids: list[int] = self._language().tokenizer(prompt, add_special_tokens=False)["input_ids"] if prompt else []
        return ids

    def _logits(self, model: Any, prefix: Tensor, batch: Tokens) -> Tensor:
        """Return the logits (m, vocabulary) of the m tokens that `batch` keeps, row by row."""
        words = model.get_input_embeddings()(batch.ids[:, :-1])  # (n, t-1, width): nothing follows the last token
        # The token at place i is predicted at place p-1+i. No attention mask: padding follows everything that counts.
        predicting = F.pad(batch.keep, (prefix.shape[1] - 1, 0))
        inputs = torch.cat([prefix.to(words.dtype), words], dim=1)
        out: Tensor = model(inputs_embeds=inputs, logits_to_keep=predicting, use_cache=False).logits
        return out

    # ---- generating

    def check_options(self, options: GenerationOptions | Mapping[str, Any] | None) -> Any:
        """As any decoder. Refuses more tokens than the language model has positions."""
        chosen = super().check_options(options)
        if self.language is not None and self.language.positions is not None:
            room = self.language.positions - self.settings.places - len(self._prompt_ids(chosen.prompt))
            if chosen.max_new_tokens > room:
                raise WrongCall(f"max_new_tokens {chosen.max_new_tokens}: the language model has room for {room}.")
        return chosen

    def _generate(
        self, conditions: Tensor, options: CaptionOptions, generators: list[torch.Generator]
    ) -> list[Caption]:
        dtype = compute_dtype(options.precision or self.settings.precision, self.device)
        model = self._copy.of(self.model) if dtype is torch.bfloat16 else self.model
        prefix = self._prefix(model, conditions, options.prompt)
        if options.guidance in ("magic", "zerocap"):
            ids = self._guide(model, conditions, prefix, options)
        else:
            language = self._language()
            ids = continue_prefix(model, prefix, options, language.end, generators, language.tokenizer)
        if not options.guidance or options.num_beams == 1:
            return self._captions(model, prefix, ids, options, scores=options.scores)
        each = prefix.repeat_interleave(options.num_beams, dim=0)
        captions = self._captions(model, each, ids, options, scores=True)
        weight = options.rerank_weight if options.guidance == "rerank" else 0.0
        return rerank(captions, self._guide_encoder(), conditions, weight=weight)

    def _captions(
        self, model: Any, prefix: Tensor, ids: Tensor, options: CaptionOptions, *, scores: bool
    ) -> list[Caption]:
        """Captions of generated token ids (n, t)."""
        language = self._language()
        keep = until_end(ids, language.end)
        if options.stop_strings:  # the end of text after one is padding
            keep &= (ids != language.end) | ~stopped(language.tokenizer, ids, keep, options.stop_strings)[:, None]
        texts = decode(language.tokenizer, ids, keep)
        if not scores:
            return [Caption(text) for text in texts]
        found = self._log_probabilities(model, prefix, Tokens(ids, keep)).tolist()
        return [Caption(text, score) for text, score in zip(texts, found, strict=True)]

    def _guide_encoder(self) -> OutputEncoder:
        if self.output_encoder is None:
            raise WrongCall("guidance needs the space's text encoder: generate by a pipeline, or set `output_encoder`.")
        return self.output_encoder

    def _guide(self, model: Any, conditions: Tensor, prefix: Tensor, options: CaptionOptions) -> Tensor:
        """Let the space choose among the words that the language model proposes."""
        language, most = self._language(), options.max_new_tokens
        known = len(prefix), language.tokenizer, language.end, options.prompt, options.stop_strings
        likeness = Likeness(self._guide_encoder(), conditions, options.guidance_temperature)
        if options.guidance == "magic":
            ids = magic(model, prefix, Drafts(*known), likeness, options, max_new_tokens=most)
        else:
            beams = Beams(*known, width=options.num_beams)
            ids = zerocap(model, prefix, beams, likeness, options, max_new_tokens=most)
        return ids.to(prefix.device)

    def _log_probabilities(self, model: Any, prefix: Tensor, batch: Tokens) -> Tensor:
        """Return the mean log-probability of each row's tokens, (n,)."""
        logits = self._logits(model, prefix, batch).float()
        losses = F.cross_entropy(logits, batch.ids[batch.keep], reduction="none")
        totals = torch.zeros(batch.keep.shape, device=losses.device).masked_scatter(batch.keep, losses).sum(1)
        return -totals / batch.keep.sum(1).clamp_min(1)

    # ---- files

    def _save_weights(self, folder: Path) -> None:
        """Write `model/` as transformers does, `mapping.safetensors` and LoRA's `adapter.safetensors`."""
        adapted = self.settings.train == "lora"
        dtype = getattr(torch, self.settings.weights)
        weights = lora.base_state(self.model) if adapted else self.model.state_dict()
        languages.write(self._language(), folder / "model", weights=weights, dtype=dtype)
        if self.settings.mapping != "none":
            write_tensors(folder / "mapping.safetensors", self.mapping.state_dict(), dtype)
        if adapted:
            write_tensors(folder / "adapter.safetensors", lora.adapter_state(self.model), dtype)

    @classmethod
    def _load_parts(cls, folder: Path, settings: Any) -> Mapping[str, Any]:
        return {"language": languages.from_folder(folder / "model", UNKNOWN_LICENSE)}

    def _load_weights(self, folder: Path, state: Any) -> None:
        self._build(())
        if self.settings.mapping != "none":
            read_tensors(folder / "mapping.safetensors", self.mapping)
        if self.settings.train == "lora":
            read_tensors(folder / "adapter.safetensors", self.model, lora.adapter_state(self.model))
