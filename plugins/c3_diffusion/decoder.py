"""The diffusion decoder: a small flow-matching model, trained by C3 on pictures alone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from c3_diffusion import flow
from c3_diffusion.canvas import Canvas, Plain, latents, read_latents
from c3_diffusion.chance import row_generators
from c3_diffusion.network import Painter
from c3_diffusion.settings import GUIDANCE, PictureOptions, Saved, Settings
from c3core.contracts import GenerateOptions, Objective, Reader
from c3core.errors import C3Error, WrongCall
from c3core.io import checked, read_checked, read_tensors, refuse_pickles, write_json, write_tensors
from c3core.media import ImageReader, Picture, PictureDecoder, Square, stack, to_pictures
from c3core.runtime import device_of

KEPT_WEIGHT = (
    40.0  # of rows above `keep_above`: the UNet starts at what they ask for, so their errors and their pull are small
)
WATCHED_STEPS, WATCHED_GUIDANCE = 8, 2.0  # of the drawing that `watch_sampled` looks at: half of what costs time at use


class DiffusionDecoder(PictureDecoder):
    """Pictures from conditions: uint8 arrays (size, size, 3).

    Trained by flow matching; a share of the conditions is hidden, so that sampling can be guided. What draws is the
    moving average of the trained weights, and `save` writes that alone.

    `options` are the fields of `Settings`. `prepare` makes the network; before it (or `load`) the decoder has no use.

    >>> decoder = DiffusionDecoder(8, size=8, widths=(8, 8), patch=1)
    >>> decoder.prepare([])
    >>> decoder.generate(torch.zeros(2, 8), {"steps": 1})[0].shape
    (8, 8, 3)
    """

    name: ClassVar[str] = "diffusion"
    Options: ClassVar[type[GenerateOptions]] = PictureOptions
    tunable: ClassVar[frozenset[str]] = frozenset(
        {"drop", "time_mean", "time_std", "keep_above", "average", "weights"}
        | {field for field in Settings.model_fields if field.startswith("watch_")}
    )
    license = "own"

    def __init__(
        self, condition_dim: int, *, canvas: Canvas | None = None, device: str = "auto", **options: Any
    ) -> None:
        super().__init__()
        if condition_dim < 1:
            raise C3Error(f"condition_dim must be at least 1, got {condition_dim}.")
        self.condition_dim = condition_dim
        self.settings = settings = checked(Settings, options, what=f"options of decoder {self.name!r}")
        if settings.keep_above is not None:
            raise WrongCall(
                "keep_above is for a decoder that is trained further: start from a trained one"
                " (`start` in a recipe; `load_pipeline` and `decoder.tune`), or leave keep_above out."
            )
        self._device = device_of(device)
        if canvas is None:
            canvas = Plain() if settings.autoencoder is None else latents(settings.autoencoder)
        self.canvas = canvas
        if canvas.license is not None:
            self.license = f"own; autoencoder: {canvas.license}"
        self.side = settings.size // canvas.shrinks
        smallest = settings.patch * 2 ** (len(settings.widths) - 1)
        if settings.size % canvas.shrinks or self.side % smallest or not self.side:
            raise WrongCall(
                f"size {settings.size} does not fit: it must be a multiple of {smallest * canvas.shrinks}"
                f" (patch {settings.patch}, {len(settings.widths)} widths, autoencoder {canvas.shrinks}:1)."
            )
        self.painter: Painter | None = None
        self.averaged: AveragedModel | None = None
        self._conditions_of: Callable[[Tensor], Tensor] | None = None
        self._before: tuple[
            Painter, ...
        ] = ()  # what `keep_above` holds on to: in a tuple it is no part of the module, nor saved

    def _build(self) -> Painter:
        painter = Painter(self.condition_dim, self.canvas.channels, self.side, self.settings)
        self.painter = painter.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # convolutions are faster so
        self.averaged = AveragedModel(painter, multi_avg_fn=self._average)
        self.to(self._device)
        return painter

    def _ready(self) -> tuple[Painter, AveragedModel]:
        if self.painter is None or self.averaged is None:
            raise C3Error(f"decoder {self.name!r} is not prepared: call `prepare`, or fit its pipeline.")
        return self.painter, self.averaged

    # ---- training

    @property
    def validates(self) -> bool:  # type: ignore[override]
        """Not with looks at drawings, nor `keep_above`: early stopping by a held-out loss, which lacks them, would undo
        them.
        """
        return not (self.settings.watch_drawn or self.settings.watch_sampled or self.settings.keep_above is not None)

    def tune(self, options: Mapping[str, Any]) -> None:
        """As `Decoder.tune`. With `keep_above` the trainings that follow hold on to what draws now, until it is None
        again.
        """
        ready = self._ready() if options.get("keep_above") is not None else None
        super().tune(options)
        if self.settings.keep_above is None:
            self._before = ()
        elif ready is not None:
            painter, averaged = ready
            painter.load_state_dict(averaged.module.state_dict())
            self._before = (copy.deepcopy(painter).eval().requires_grad_(False),)

    def reader(self) -> Reader:
        """Any picture as uint8 (3, size, size): its middle square, scaled."""
        return ImageReader(Square(self.settings.size))

    def prepare(self, targets: Iterable[Any]) -> None:
        """Make the network, with weights drawn from torch's global generator. A loaded one stays."""
        if self.painter is None:
            self._build()

    def watch(self, conditions_of: Callable[[Tensor], Tensor]) -> None:
        self._conditions_of = conditions_of

    def collate(self, targets: Sequence[Tensor]) -> Tensor:
        """Read pictures as one batch: uint8 (n, 3, size, size) on the decoder's device."""
        painter, _ = self._ready()
        return stack(targets, self.settings.size).to(next(painter.parameters()).device)

    def loss(self, conditions: Tensor, batch: Tensor) -> Tensor:
        """The mean squared error of the velocity, over pixels or latents; in training with `rows`, also that of the
        sketch, and with `watch_weight`, `watch_drawn` or `watch_sampled` what the space sees in it and in the pictures
        (in training by `Pipeline.fit`).

        In training, noise comes from torch's global generator. In eval mode the averaged weights are measured, every
        condition is seen and the noise is the same at every call, so that validations compare.
        """
        painter, averaged = self._ready()
        conditions = self.check(conditions, len(batch))
        generator = None if self.training else torch.Generator().manual_seed(0)
        settings, device = self.settings, batch.device
        pictures = self.canvas.enter(batch.float() / 127.5 - 1)
        loss, looks = torch.zeros((), device=device), []
        if self.training and settings.rows is not None:
            sketches = painter.sketch(conditions).float()
            loss = F.mse_loss(sketches, pictures)
            conditions, pictures, batch = conditions[: settings.rows], pictures[: settings.rows], batch[: settings.rows]
            looks.append((settings.watch_weight, sketches[: settings.rows], None))
        count = len(pictures)
        noise = torch.randn(pictures.shape, generator=generator).to(device)
        time = flow.noise_levels(count, settings.time_mean, settings.time_std, generator, device)
        seen = flow.noisy(pictures, noise, time)
        hidden = torch.rand(count).to(device) < settings.drop if self.training else None
        found = (painter if self.training else averaged)(seen, time, conditions, hidden).float()
        if hidden is not None:
            looks.append((settings.watch_drawn, found, hidden))
            if settings.watch_sampled and self._conditions_of is not None:
                looks.append((settings.watch_sampled, self._half_drawn(conditions[: (count + 1) // 2]), None))
        target, weight = self._kept(pictures, seen, time, conditions, hidden)
        time = time.clamp_min(flow.LEAST_TIME)
        far = (flow.velocity(found, seen, time) - flow.velocity(target, seen, time)).square().mean(dim=(1, 2, 3))
        loss = loss + (weight * far).mean()
        return loss + self._watched([look for look in looks if look[0]], batch)

    def _kept(
        self, pictures: Tensor, seen: Tensor, time: Tensor, conditions: Tensor, hidden: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """What the UNet is to find and each row's weight: the true pictures, but above `keep_above` what it found
        before.

        The last steps of drawing see little noise and make outlines. What stands where is settled before, and would be
        lost where only those steps are learned.
        """
        weight, most = torch.ones_like(time), self.settings.keep_above
        if not self.training or most is None or not (kept := time > most).any():
            return pictures, weight
        (before,) = self._before
        pictures, hidden = pictures.clone(), None if hidden is None else hidden[kept]
        with torch.no_grad():
            found = before.to(seen.device)(seen[kept], time[kept], conditions[kept], hidden)
        pictures[kept] = found.to(pictures.dtype)
        return pictures, weight.masked_fill(kept, KEPT_WEIGHT)

    def _watched(self, looks: Sequence[tuple[float, Tensor, Tensor | None]], batch: Tensor) -> Tensor | float:
        """How far the space sees something else in pictures made than in the true ones: (weight, made, rows left out)
        each.

        Shapes differ in few pixels, but much to the space. What it sees in the true pictures has no noise, unlike the
        conditions: a target that stands still is learned sooner. All are moved by the same few pixels, or the UNet
        would learn where the encoder's patches begin, and draw their grid.
        """
        if not looks or self._conditions_of is None:
            return 0.0
        settings = self.settings
        shown = torch.cat([batch.float() / 255, *((self.canvas.leave(pictures) + 1) / 2 for _, pictures, _ in looks)])
        if settings.watch_shift:
            shown = _moved(shown, settings.watch_shift)
        true, made = shown.split([len(batch), len(shown) - len(batch)])
        if settings.watch_noise:
            made = made + settings.watch_noise * torch.randn_like(made)
        with torch.no_grad():
            asked = self._conditions_of(true)
        counts = [len(pictures) for _, pictures, _ in looks]
        apart = 1 - F.cosine_similarity(self._conditions_of(made), torch.cat([asked[:count] for count in counts]))
        total = torch.zeros((), device=made.device)
        for (weight, _, hidden), far in zip(looks, apart.split(counts), strict=True):
            # A picture whose condition is hidden cannot be what was asked for.
            total = total + weight * (far if hidden is None else far * ~hidden).mean()
        return total

    def _half_drawn(self, conditions: Tensor) -> Tensor:
        """The pictures that the UNet finds somewhere on its way from noise, drawing with guidance.

        In a true picture with noise the shapes can still be seen; here they are what the UNet has made of the
        condition.
        """
        painter, _ = self._ready()
        noise = torch.randn(len(conditions), self.canvas.channels, self.side, self.side).to(conditions.device)
        done = int(torch.randint(WATCHED_STEPS, ()))
        with torch.no_grad():
            guidance = WATCHED_GUIDANCE if self.settings.drop else 1.0
            field = flow.guided(painter, conditions, guidance, limit=self.canvas.limit)
            x = flow.denoise(noise, field, WATCHED_STEPS, done, fresh=True)  # as it is drawn at use
        found: Tensor = painter(x, torch.full((len(x),), 1 - done / WATCHED_STEPS, device=x.device), conditions)
        return found.float()

    def objectives(self) -> list[Objective]:
        """One objective over the network (which `prepare` makes); the average is not trained."""
        return [Objective("loss", [] if self.painter is None else list(self.painter.parameters()), self.loss)]

    def after_step(self, step: int) -> None:
        """Move the average."""
        painter, averaged = self._ready()
        averaged.update_parameters(painter)

    def _average(self, averages: Any, currents: Any, count: Any) -> None:
        # The first steps count more, or a short run would keep its random start.
        decay = min(self.settings.average, (1 + float(count)) / (10 + float(count)))
        torch._foreach_lerp_(averages, currents, 1 - decay)

    # ---- use

    def generate(
        self, conditions: Tensor, options: Any = None, *, generator: torch.Generator | None = None
    ) -> list[Picture]:
        """One picture a condition, uint8 (size, size, 3). `options` are `PictureOptions` or a mapping of its fields."""
        self._ready()
        chosen: PictureOptions = self.options(options)
        if not self.settings.drop and chosen.guidance not in (None, 1):
            raise WrongCall("this decoder learned with drop 0, so that it cannot be guided: leave guidance out.")
        conditions = self.check(conditions)
        training = self.training
        self.eval()
        try:
            with torch.inference_mode():
                own = iter(row_generators(len(conditions), generator, shared=chosen.noise == "shared"))
                parts = [rows for rows in conditions.split(chosen.batch_size) if len(rows)]
                return [
                    picture for rows in parts for picture in self._pictures(rows, chosen, list(islice(own, len(rows))))
                ]
        finally:
            self.train(training)

    def _pictures(
        self, conditions: Tensor, options: PictureOptions, generators: list[torch.Generator]
    ) -> list[Picture]:
        _, averaged = self._ready()
        noise = randn_tensor(
            (len(conditions), self.canvas.channels, self.side, self.side), generators, conditions.device
        )
        guidance = (GUIDANCE if self.settings.drop else 1.0) if options.guidance is None else options.guidance
        field = flow.guided(
            averaged.module, conditions, guidance, until=options.guidance_until, limit=self.canvas.limit
        )
        drawn = flow.denoise(noise, field, options.steps, fresh=options.fresh_noise, generators=generators)
        return to_pictures(self.canvas.leave(drawn))

    # ---- files

    def save(self, folder: Path) -> None:
        """Write the averaged weights, `decoder.json` and, where there is one, the autoencoder."""
        _, averaged = self._ready()
        folder = Path(folder)
        write_tensors(
            folder / "painter.safetensors", averaged.module.state_dict(), getattr(torch, self.settings.weights)
        )
        self.canvas.save(folder / "autoencoder")
        settings = self.settings.model_dump(mode="json") | {
            "keep_above": None
        }  # of one training: the next one is to learn all
        about = {"condition_dim": self.condition_dim, "license": self.license, "steps": int(averaged.n_averaged)}
        write_json(folder / "decoder.json", {**about, "settings": settings})

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto") -> Self:
        """The decoder that `save` wrote. Raises `C3Error` if a file is missing, broken, of another size or pickled."""
        folder = Path(folder)
        saved = read_checked(Saved, folder / "decoder.json", of=f"a {cls.name!r} decoder")
        refuse_pickles(folder)
        carried = saved.settings.autoencoder is not None or (folder / "autoencoder").is_dir()  # or it came as a canvas
        canvas = read_latents(folder / "autoencoder") if carried else None
        decoder = cls(saved.condition_dim, canvas=canvas, device=device, **saved.settings.model_dump())
        decoder.license = saved.license
        painter = decoder._build()
        read_tensors(folder / "painter.safetensors", painter)
        assert decoder.averaged is not None
        decoder.averaged.module.load_state_dict(painter.state_dict())
        decoder.averaged.n_averaged.fill_(saved.steps)  # trained further, the average goes on and does not begin anew
        return decoder.eval()


def _moved(pictures: Tensor, most: int) -> Tensor:
    """All of (n, 3, side, side) by the same whole pixels, at most `most` in each direction; edges are continued."""
    side = pictures.shape[-1]
    down, right = torch.randint(2 * most + 1, (2,)).tolist()
    return F.pad(pictures, (most,) * 4, mode="replicate")[..., down : down + side, right : right + side]
