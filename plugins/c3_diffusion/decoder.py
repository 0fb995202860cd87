"""The diffusion decoder: a small flow-matching model, trained by C3 on pictures only."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor
from torch.nn import functional as F

from c3_diffusion import flow
from c3_diffusion.canvas import Canvas, Plain, latents, read_latents
from c3_diffusion.network import Painter
from c3_diffusion.noise import shared_generators
from c3_diffusion.settings import GUIDANCE, PictureOptions, Settings, State
from c3core.contracts import DecoderSettings, DecoderState, GenerationOptions, Objective, Reader
from c3core.errors import WrongCall
from c3core.io import read_tensors, write_tensors
from c3core.media import ImageReader, PictureDecoder, SquareCrop, stack_pictures
from c3core.training import MovingAverage

KEPT_WEIGHT = 40.0  # of rows above `keep_above`: their errors are small, since the UNet starts with what they ask for
WATCHED_STEPS, WATCHED_GUIDANCE = 8, 2.0  # of the drawings for `watch_sampled`; half as costly as drawings in use


class DiffusionDecoder(PictureDecoder):
    """Pictures from conditions: uint8 arrays (size, size, 3).

    Trained by flow matching. The condition of some rows is hidden, so that drawings can be guided. The moving average
    of the trained weights draws, and only that is saved. `Settings` lists the options; `canvas`, a loaded autoencoder,
    can be given instead of the setting `autoencoder`.

    >>> decoder = DiffusionDecoder(8, size=8, widths=(8, 8), patch=1)
    >>> decoder.prepare([])
    >>> decoder.generate(torch.zeros(2, 8), {"steps": 1})[0].shape
    (8, 8, 3)
    """

    name: ClassVar[str] = "diffusion"
    trainable_options: ClassVar[frozenset[str]] = frozenset(
        {"drop", "time_mean", "time_std", "keep_above", "average", "weights"}
        | {field for field in Settings.model_fields if field.startswith("watch_")}
    )
    settings_class: ClassVar[type[DecoderSettings]] = Settings
    options_class: ClassVar[type[GenerationOptions]] = PictureOptions
    state_class: ClassVar[type[DecoderState]] = State
    license = "own"
    settings: Settings
    painter: Painter
    average: MovingAverage

    def __init__(
        self,
        condition_dim: int,
        *,
        canvas: Canvas | None = None,
        device: str | torch.device = "auto",
        **settings: Any,
    ) -> None:
        super().__init__(condition_dim, device=device, **settings)
        chosen = self.settings
        if chosen.keep_above is not None:
            raise WrongCall(
                "keep_above is for a decoder that is trained further: start from a trained one"
                " (`start` in a recipe; `load_pipeline` and `decoder.reconfigure`), or leave keep_above out."
            )
        if canvas is None:
            canvas = Plain() if chosen.autoencoder is None else latents(chosen.autoencoder)
        self.canvas = canvas
        if canvas.license is not None:
            self.license = f"own; autoencoder: {canvas.license}"
        self.side = chosen.size // canvas.shrinks
        smallest = chosen.patch * 2 ** (len(chosen.widths) - 1)
        if chosen.size % canvas.shrinks or self.side % smallest or not self.side:
            raise WrongCall(
                f"size {chosen.size} does not fit: it must be a multiple of {smallest * canvas.shrinks}"
                f" (patch {chosen.patch}, {len(chosen.widths)} widths, autoencoder {canvas.shrinks}:1)."
            )
        self._kept: tuple[Painter, ...] = ()  # for `keep_above`; in a tuple it is no part of the module

    def _build(self, targets: Iterable[Any]) -> None:
        painter = Painter(self.condition_dim, self.canvas.channels, self.side, self.settings)
        self.painter = painter.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster convolutions
        self.average = MovingAverage(self.painter)

    # ---- training

    @property
    def validates(self) -> bool:
        """Not with `watch_drawn`, `watch_sampled` or `keep_above`: the held-out loss lacks them, so that early stopping
        would undo them.
        """
        return not (self.settings.watch_drawn or self.settings.watch_sampled or self.settings.keep_above is not None)

    def reconfigure(self, changes: Mapping[str, Any]) -> None:
        """As any decoder. `keep_above` keeps what the decoder draws now, in all trainings until it is None again."""
        if changes.get("keep_above") is not None:
            self._check_prepared()
        super().reconfigure(changes)
        if self.settings.keep_above is None:
            self._kept = ()
        elif changes.get("keep_above") is not None:
            self.painter.load_state_dict(self.average.module.state_dict())
            self._kept = (copy.deepcopy(self.painter).eval().requires_grad_(False),)

    @property
    def kept_painter(self) -> Painter | None:
        """The network that `keep_above` takes pictures from, or None."""
        return self._kept[0] if self._kept else None

    def reader(self) -> Reader:
        """Pictures of any size: their middle square, scaled to uint8 (3, size, size)."""
        return ImageReader(SquareCrop(self.settings.size))

    def collate(self, targets: Sequence[Tensor]) -> Tensor:
        """Read pictures as one batch: uint8 (n, 3, size, size) on the decoder's device."""
        return stack_pictures(targets, self.settings.size).to(self.device)

    def loss(self, conditions: Tensor, batch: Tensor) -> Tensor:
        """The mean squared error of the velocity, over pixels or latents.

        In training, `rows` adds the error of the sketch. `watch_weight`, `watch_drawn` and `watch_sampled` add how far
        drawings are from the true pictures in the space (in a training by `Pipeline.fit`). Noise comes from torch's
        global generator. In eval mode the averaged weights are measured, every condition is seen, and the noise is the
        same at every call, so that validations compare.
        """
        conditions = self.check_conditions(conditions, len(batch))
        generator = None if self.training else torch.Generator().manual_seed(0)
        settings, device = self.settings, batch.device
        pictures = self.canvas.enter(batch.float() / 127.5 - 1)
        loss = torch.zeros((), device=device)
        drawings: list[tuple[float, Tensor, Tensor | None]] = []
        if self.training and settings.rows is not None:
            sketches = self.painter.sketch(conditions).float()
            loss = F.mse_loss(sketches, pictures)
            conditions, pictures, batch = conditions[: settings.rows], pictures[: settings.rows], batch[: settings.rows]
            drawings.append((settings.watch_weight, sketches[: settings.rows], None))
        count = len(pictures)
        noise = torch.randn(pictures.shape, generator=generator).to(device)
        time = flow.noise_levels(count, settings.time_mean, settings.time_std, generator, device)
        noisy = flow.noisy(pictures, noise, time)
        hidden = torch.rand(count).to(device) < settings.drop if self.training else None
        found = (self.painter if self.training else self.average)(noisy, time, conditions, hidden).float()
        if hidden is not None:
            drawings.append((settings.watch_drawn, found, hidden))
            if settings.watch_sampled and self.output_encoder is not None:
                drawings.append((settings.watch_sampled, self._half_drawn(conditions[: (count + 1) // 2]), None))
        target, weight = self._targets(pictures, noisy, time, conditions, hidden)
        time = time.clamp_min(flow.LEAST_TIME)
        error = (flow.velocity(found, noisy, time) - flow.velocity(target, noisy, time)).square().mean(dim=(1, 2, 3))
        loss = loss + (weight * error).mean()
        return loss + self._space_loss([drawing for drawing in drawings if drawing[0]], batch)

    def _targets(
        self, pictures: Tensor, noisy: Tensor, time: Tensor, conditions: Tensor, hidden: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the pictures that the UNet must find, and the weight of each row.

        Above `keep_above` these are the pictures that it found before. The last steps of a drawing see little noise and
        make outlines; what is where is settled earlier, and would be lost if only the last steps were learned.
        """
        weight, limit = torch.ones_like(time), self.settings.keep_above
        if not self.training or limit is None or not (kept := time > limit).any():
            return pictures, weight
        (before,) = self._kept
        pictures, hidden = pictures.clone(), None if hidden is None else hidden[kept]
        with torch.no_grad():
            found = before.to(noisy.device)(noisy[kept], time[kept], conditions[kept], hidden)
        pictures[kept] = found.to(pictures.dtype)
        return pictures, weight.masked_fill(kept, KEPT_WEIGHT)

    def _space_loss(self, drawings: Sequence[tuple[float, Tensor, Tensor | None]], batch: Tensor) -> Tensor | float:
        """How far drawings are from the true pictures in the space. A drawing is (weight, pictures, rows to leave out).

        Shapes differ in few pixels, but much in the space. The embeddings of the true pictures have no noise, unlike
        the conditions: a target that does not move is learned sooner. All pictures are moved by the same few pixels, or
        the UNet would learn where the encoder's patches begin, and draw their grid.
        """
        if not drawings or self.output_encoder is None:
            return 0.0
        settings = self.settings
        made = [(self.canvas.leave(pictures) + 1) / 2 for _, pictures, _ in drawings]
        shown = torch.cat([batch.float() / 255, *made])
        if settings.watch_shift:
            shown = _moved(shown, settings.watch_shift)
        true, drawn = shown[: len(batch)], shown[len(batch) :]
        if settings.watch_noise:
            drawn = drawn + settings.watch_noise * torch.randn_like(drawn)
        with torch.no_grad():
            wanted = self.output_encoder.with_gradient(true)
        counts = [len(pictures) for _, pictures, _ in drawings]
        found = self.output_encoder.with_gradient(drawn)
        apart = 1 - F.cosine_similarity(found, torch.cat([wanted[:count] for count in counts]))
        total = torch.zeros((), device=drawn.device)
        for (weight, _, hidden), distance in zip(drawings, torch.split(apart, counts), strict=True):
            # A picture whose condition is hidden cannot show what the condition asks for.
            total = total + weight * (distance if hidden is None else distance * ~hidden).mean()
        return total

    def _half_drawn(self, conditions: Tensor) -> Tensor:
        """Return the pictures that the UNet finds at a random step of a guided drawing from noise.

        The shapes of a true picture show through its noise. Here they are what the UNet made of the condition.
        """
        noise = torch.randn(len(conditions), self.canvas.channels, self.side, self.side).to(conditions.device)
        done = int(torch.randint(WATCHED_STEPS, ()))
        with torch.no_grad():
            guidance = WATCHED_GUIDANCE if self.settings.drop else 1.0
            field = flow.guided(self.painter, conditions, guidance, limit=self.canvas.limit)
            x = flow.denoise(noise, field, WATCHED_STEPS, done, fresh=True)  # as in use
        time = torch.full((len(x),), 1 - done / WATCHED_STEPS, device=x.device)
        found: Tensor = self.painter(x, time, conditions)
        return found.float()

    def objectives(self) -> list[Objective]:
        """One objective over the network. Its average is not trained."""
        return [Objective("loss", list(self.painter.parameters()), self.loss)]

    def after_step(self, step: int) -> None:
        """Move the averaged weights."""
        self.average.update(self.painter, self.settings.average)

    # ---- drawing

    def check_options(self, options: GenerationOptions | Mapping[str, Any] | None) -> Any:
        """As any decoder. Refuses guidance for a decoder that was trained without hidden conditions."""
        chosen = super().check_options(options)
        if not self.settings.drop and chosen.guidance not in (None, 1):
            raise WrongCall("this decoder was trained with drop 0, so that it cannot be guided: leave guidance out.")
        return chosen

    def row_generators(self, count: int, options: Any, generator: torch.Generator | None) -> list[torch.Generator]:
        if options.noise == "shared":
            return shared_generators(count, generator)
        return super().row_generators(count, options, generator)

    def _draw(self, conditions: Tensor, options: PictureOptions, generators: list[torch.Generator]) -> Tensor:
        shape = (len(conditions), self.canvas.channels, self.side, self.side)
        noise = randn_tensor(shape, generators, conditions.device)
        guidance = (GUIDANCE if self.settings.drop else 1.0) if options.guidance is None else options.guidance
        painter = self.average.module
        assert isinstance(painter, Painter)
        field = flow.guided(painter, conditions, guidance, until=options.guidance_until, limit=self.canvas.limit)
        drawn = flow.denoise(noise, field, options.steps, fresh=options.fresh_noise, generators=generators)
        return self.canvas.leave(drawn)

    # ---- files

    def _save_weights(self, folder: Path) -> None:
        """Write the averaged weights and, if there is one, the autoencoder."""
        dtype = getattr(torch, self.settings.weights)
        write_tensors(folder / "painter.safetensors", self.average.module.state_dict(), dtype)
        self.canvas.save(folder / "autoencoder")

    def _state(self) -> State:
        return State(steps=self.average.updates)

    @classmethod
    def _load_parts(cls, folder: Path, settings: Any) -> Mapping[str, Any]:
        """The autoencoder, which was saved even if it was given as a canvas."""
        saved = settings.autoencoder is not None or (folder / "autoencoder").is_dir()
        return {"canvas": read_latents(folder / "autoencoder")} if saved else {}

    def _load_weights(self, folder: Path, state: State) -> None:
        """Read the averaged weights. A further training continues their average."""
        self._build(())
        read_tensors(folder / "painter.safetensors", self.painter)
        self.average = MovingAverage(self.painter, updates=state.steps)


def _moved(pictures: Tensor, most: int) -> Tensor:
    """Move all of (n, 3, side, side) by the same whole pixels, at most `most` in each direction. Edges are repeated."""
    side = pictures.shape[-1]
    down, right = torch.randint(2 * most + 1, (2,)).tolist()
    return F.pad(pictures, (most,) * 4, mode="replicate")[..., down : down + side, right : right + side]
