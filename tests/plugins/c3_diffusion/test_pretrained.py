"""Pretrained pipelines as decoders, against the pipelines themselves."""

from __future__ import annotations

import json
import shutil
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import KandinskyV22Pipeline, StableUnCLIPImg2ImgPipeline
from diffusers.utils import logging
from huggingface_hub.errors import OfflineModeIsEnabled
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPVisionModelWithProjection

from c3_diffusion.kandinsky import KandinskyDecoder
from c3_diffusion.unclip import UnclipDecoder
from c3_playground.world import World
from c3core import Pipeline, load_bridge, load_decoder, load_pipeline, load_space
from c3core.errors import C3Error
from tests.helpers.spaces import DIM, pictures, write_space


def conditions(n: int) -> Tensor:
    return torch.randn(n, DIM, generator=torch.Generator().manual_seed(0))


def unclip(folder: Path, **options: Any) -> UnclipDecoder:
    return UnclipDecoder(DIM, model=str(folder), device="cpu", **options)


def kandinsky(folder: Path, **options: Any) -> KandinskyDecoder:
    return KandinskyDecoder(DIM, model=str(folder), device="cpu", **{"blank": torch.ones(1, DIM), **options})


def own_generators(n: int) -> list[torch.Generator]:
    source = torch.Generator().manual_seed(3)
    return [torch.Generator().manual_seed(int(torch.randint(2**62, (1,), generator=source))) for _ in range(n)]


def test_unclip_draws_as_the_pipeline_does(unclip_folder: Path) -> None:
    found = unclip(unclip_folder).generate(
        conditions(2),
        {"steps": 2, "guidance": 5, "noise_level": 10, "prompt": "a cat"},
        generator=torch.Generator().manual_seed(3),
    )
    pipeline = StableUnCLIPImg2ImgPipeline.from_pretrained(unclip_folder)
    pipeline.set_progress_bar_config(disable=True)
    wanted = pipeline(
        prompt=["a cat"] * 2,
        image_embeds=conditions(2),
        noise_level=10,
        num_inference_steps=2,
        guidance_scale=5,
        generator=own_generators(2),
        output_type="np",
    ).images
    assert found[0].shape == (16, 16, 3)
    assert np.abs(np.stack(found) - wanted * 255).max() <= 1


def test_kandinsky_draws_as_the_pipeline_does(kandinsky_folder: Path) -> None:
    found = kandinsky(kandinsky_folder).generate(
        conditions(2), {"steps": 2, "guidance": 3, "size": 32}, generator=torch.Generator().manual_seed(3)
    )
    pipeline = KandinskyV22Pipeline.from_pretrained(kandinsky_folder)
    pipeline.set_progress_bar_config(disable=True)
    wanted = pipeline(
        image_embeds=conditions(2),
        negative_image_embeds=torch.ones(2, DIM),
        num_inference_steps=2,
        guidance_scale=3,
        height=32,
        width=32,
        generator=own_generators(2),
        output_type="np",
    ).images
    assert found[0].shape == (32, 32, 3)
    assert np.abs(np.stack(found) - wanted * 255).max() <= 1


def test_a_row_does_not_depend_on_the_batch_size(unclip_folder: Path) -> None:
    decoder, rows = unclip(unclip_folder), conditions(5)
    pictures = [
        np.stack(
            decoder.generate(rows, {"steps": 2, "batch_size": size}, generator=torch.Generator().manual_seed(0))
        ).astype(int)
        for size in (5, 2)
    ]
    assert np.abs(pictures[0] - pictures[1]).max() <= 1
    assert np.abs(pictures[0][0] - pictures[0][1]).max() > 1


def test_shared_noise_is_that_of_every_batch(unclip_folder: Path) -> None:
    decoder, generator, row = unclip(unclip_folder), torch.Generator().manual_seed(3), conditions(1)
    for noise, same in (("shared", True), ("own", False)):
        first, second = (decoder.generate(row, {"steps": 2, "noise": noise}, generator=generator)[0] for _ in range(2))
        assert np.array_equal(first, second) == same


def test_the_size_is_as_asked(unclip_folder: Path) -> None:
    (picture,) = unclip(unclip_folder).generate(conditions(1), {"steps": 1, "size": 24})
    assert picture.shape == (24, 24, 3)


def test_lower_precision_draws_too(unclip_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    decoder = unclip(unclip_folder, precision="bfloat16")
    assert {parameter.dtype for parameter in decoder.parameters()} == {torch.bfloat16}
    (picture,) = decoder.generate(conditions(1), {"steps": 1})
    assert picture.std() > 0


def test_a_processor_that_would_emulate_a_half_precision_draws_in_float32(
    unclip_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    for precision in ("bfloat16", "float16"):
        decoder = unclip(unclip_folder, precision=precision)
        assert {parameter.dtype for parameter in decoder.parameters()} == {torch.float32}


def as_variant(folder: Path, copy: Path, variant: str) -> Path:
    """A copy of a folder with all weights under a variant's name."""
    shutil.copytree(folder, copy)
    for path in list(copy.rglob("*.safetensors")):
        path.rename(path.with_name(f"{path.stem}.{variant}.safetensors"))
    return copy


def test_a_folder_with_weights_of_a_variant_only_is_loaded(
    unclip_folder: Path, kandinsky_folder: Path, prior_folder: Path, tmp_path: Path
) -> None:
    folder = as_variant(unclip_folder, tmp_path / "unclip", "fp16")
    draws = [
        decoder.generate(conditions(1), {"steps": 1}, generator=torch.Generator().manual_seed(0))[0]
        for decoder in (unclip(unclip_folder), unclip(folder))
    ]
    assert np.array_equal(*draws)
    folders = {"model": str(as_variant(kandinsky_folder, tmp_path / "kandinsky", "bf16"))}
    folders["prior"] = str(as_variant(prior_folder, tmp_path / "prior", "fp16"))
    assert torch.equal(
        KandinskyDecoder(DIM, **folders, device="cpu").blank,
        kandinsky(kandinsky_folder, blank=None, prior=str(prior_folder)).blank,
    )


def test_weights_of_a_variant_that_changed_are_refused(unclip_folder: Path, tmp_path: Path) -> None:
    folder, saved = as_variant(unclip_folder, tmp_path / "unclip", "fp16"), tmp_path / "saved"
    saved.mkdir()
    unclip(folder).save(saved)
    weights = folder / "unet" / "diffusion_pytorch_model.fp16.safetensors"
    save_file({name: value + 1 for name, value in load_file(weights).items()}, weights)
    with pytest.raises(C3Error, match="other weights"):
        UnclipDecoder.load(saved, device="cpu")


def test_the_hub_is_asked_for_a_variant_if_it_has_no_plain_weights(
    unclip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, asked = as_variant(unclip_folder, tmp_path / "unclip", "fp16"), list[str | None]()

    def download(name: str, *, use_safetensors: bool, variant: str | None = None) -> str:
        asked.append(variant)
        if variant is None:
            raise OSError("Could not find the necessary `safetensors` weights")
        return str(folder)

    monkeypatch.setattr("diffusers.DiffusionPipeline.download", download)
    assert unclip(Path("somebody/unclip")).embedding_dim == DIM
    assert asked == [None, "fp16"]


def test_the_picture_encoder_is_not_loaded(unclip_folder: Path) -> None:
    names = unclip(unclip_folder).parts.keys()
    assert "unet" in names
    assert "image_encoder" not in names


def test_the_blank_pictures_embedding_is_the_priors(kandinsky_folder: Path, prior_folder: Path, tmp_path: Path) -> None:
    decoder = kandinsky(kandinsky_folder, blank=None, prior=str(prior_folder))
    encoder = CLIPVisionModelWithProjection.from_pretrained(prior_folder / "image_encoder")
    with torch.no_grad():
        torch.testing.assert_close(decoder.blank, encoder.eval()(torch.zeros(1, 3, 16, 16)).image_embeds)
    decoder.save(tmp_path)
    described = json.loads((tmp_path / "decoder.json").read_text())
    described["settings"]["prior"] = "gone"  # not needed again
    (tmp_path / "decoder.json").write_text(json.dumps(described))
    assert torch.equal(KandinskyDecoder.load(tmp_path, device="cpu").blank, decoder.blank)


@pytest.mark.parametrize("name", ["unclip", "kandinsky"])
def test_text_to_picture_through_the_bridge_alone(
    name: str, unclip_folder: Path, kandinsky_folder: Path, prior_folder: Path, tmp_path: Path
) -> None:
    """Nothing is trained, and what the decoder gets has the mean and the norm of the pictures' own embeddings."""
    space = load_space(str(write_space(tmp_path / "space")))
    folders = {"unclip": {"model": unclip_folder}, "kandinsky": {"model": kandinsky_folder, "prior": prior_folder}}[
        name
    ]
    words = {key: str(folder) for key, folder in folders.items()}
    decoder = load_decoder(name, space=space, device="cpu", **words)
    side = {"unclip": 16, "kandinsky": 32}[name]
    before = {name: value.clone() for name, value in decoder.state_dict().items()}
    pipeline = Pipeline(space, load_bridge("c3"), decoder)
    sentences = World().sentences(20, modality="image")
    with pytest.raises(C3Error, match="nothing to validate"):
        pipeline.fit({"text": sentences, "image": pictures(20)}, validation=pictures(2), quiet=True)
    with pytest.raises(C3Error, match="steps, learning_rate would do nothing"):
        pipeline.fit(
            {"text": sentences, "image": pictures(20)},
            training={"learning_rate": 0.1, "steps": 5, "seed": 1},
            quiet=True,
        )
    pipeline.fit({"text": sentences, "image": pictures(20)}, quiet=True)
    assert all(torch.equal(value, before[name]) for name, value in decoder.state_dict().items())
    found = pipeline.condition(space.encode(sentences, "text"), "text").double()

    text, image = (
        space.encode(items, modality).double() for items, modality in ((sentences, "text"), (pictures(20), "image"))
    )
    encoder = space.encoder("image")
    reader = encoder.reader()
    _, norms = encoder.embed_items([reader(picture) for picture in pictures(20)])
    shifted = text - text.mean(0) + image.mean(0)
    wanted = shifted / shifted.norm(dim=1, keepdim=True) * norms.double().mean()
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)

    options = {"steps": 1} if name == "unclip" else {"steps": 1, "size": 32}
    drawn = pipeline.run(sentences[:2], modality="text", generation=options)
    assert drawn[0].size == (side, side)
    pipeline.save_pretrained(tmp_path / "pipeline")
    assert sum(path.stat().st_size for path in (tmp_path / "pipeline" / "decoder").iterdir()) < 2000  # a reference
    loaded = load_pipeline(tmp_path / "pipeline", device="cpu")
    assert loaded.bridge.config() == pipeline.bridge.config()
    assert loaded.run(sentences[:2], modality="text", generation=options) == drawn


def test_a_hub_name_is_fetched_as_the_hub_has_it(
    kandinsky_folder: Path, prior_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No hub can be reached by a test: what is asked of it is looked at, and what comes back is loaded."""
    from huggingface_hub.utils import filter_repo_objects

    asked: list[str] = []

    def download(name: str, *, use_safetensors: bool) -> str:
        assert use_safetensors
        asked.append(name)
        return str(kandinsky_folder)

    def snapshot(name: str, *, allow_patterns: list[str]) -> str:
        asked.append(name)
        wanted = {path.relative_to(prior_folder).as_posix() for path in prior_folder.rglob("*") if path.is_file()}
        assert wanted == {"image_encoder/config.json", "image_encoder/model.safetensors"}
        wanted |= {"image_encoder/model-00001-of-00002.safetensors", "image_encoder/model.safetensors.index.json"}
        parts = ("text_encoder/model.safetensors", "prior/diffusion_pytorch_model.safetensors", "prior/config.json")
        forms = ("image_encoder/model.fp16.safetensors", "image_encoder/pytorch_model.bin", "README.md")
        assert set(filter_repo_objects([*wanted, *parts, *forms], allow_patterns=allow_patterns)) == wanted
        return str(prior_folder)

    monkeypatch.setattr("diffusers.DiffusionPipeline.download", download)
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    decoder = kandinsky(Path("somebody/decoder"), blank=None, prior="somebody/prior")
    assert asked == ["somebody/decoder", "somebody/prior"]
    assert torch.equal(decoder.blank, kandinsky(kandinsky_folder, blank=None, prior=str(prior_folder)).blank)


# ---- what is refused


@pytest.mark.parametrize(
    "options",
    [
        {"steps": 0},
        {"steps": 1001},
        {"guidance": -1},
        {"guidance": inf},
        {"size": 30},
        {"noise_level": -1},
        {"noise_level": 1000},
    ],
)
def test_bad_options_are_refused(unclip_folder: Path, options: dict[str, Any]) -> None:
    with pytest.raises(C3Error, match=next(iter(options))):
        unclip(unclip_folder).generate(conditions(1), options)


def test_embeddings_of_another_size_are_refused(unclip_folder: Path, kandinsky_folder: Path) -> None:
    with pytest.raises(C3Error, match="size 16, not 8"):
        UnclipDecoder(8, model=str(unclip_folder))
    with pytest.raises(C3Error, match="no folder 'a{300}'"):  # too long for a file's name
        UnclipDecoder(16, model="a" * 300)
    with pytest.raises(C3Error, match="size 16, not 8"):
        KandinskyDecoder(8, model=str(kandinsky_folder), blank=torch.zeros(1, 8))
    with pytest.raises(C3Error, match=r"shape \(1, 16\)"):
        kandinsky(kandinsky_folder, blank=torch.zeros(16))


def test_kandinsky_without_a_blank_picture_is_refused(kandinsky_folder: Path) -> None:
    with pytest.raises(C3Error, match="blank picture. Give prior="):
        kandinsky(kandinsky_folder, blank=None)
    with pytest.raises(C3Error, match="is no Kandinsky 2.2 prior"):
        kandinsky(kandinsky_folder, blank=None, prior=str(kandinsky_folder))


def test_other_folders_are_refused(unclip_folder: Path, kandinsky_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(C3Error, match=r"lacks model_index\.json"):
        unclip(tmp_path)
    with pytest.raises(C3Error, match="holds a KandinskyV22Pipeline; decoder 'unclip' takes"):
        unclip(kandinsky_folder)
    (tmp_path / "model_index.json").write_text("[]")
    with pytest.raises(C3Error, match="names no class"):
        unclip(tmp_path)
    (tmp_path / "model_index.json").write_text("{")
    with pytest.raises(C3Error, match="JSON"):
        unclip(tmp_path)


def test_a_name_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(C3Error, match="no folder 'nobody/nothing', and the hub"):
        unclip(Path("nobody/nothing"))
    monkeypatch.setattr("diffusers.pipelines.pipeline_utils.model_info", _unreachable)
    logging.add_handler(caplog.handler)
    with pytest.raises(C3Error, match="no folder 'nobody/nothing', and the hub"):
        unclip(Path("nobody/nothing"))
    logging.remove_handler(caplog.handler)
    assert not caplog.records  # diffusers would say it in two lines of its own


def _unreachable(*_: Any, **__: Any) -> None:
    raise OfflineModeIsEnabled


def test_a_folder_at_home_is_found_and_saved_by_its_whole_path(
    unclip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(unclip_folder.parent))
    unclip(Path("~") / unclip_folder.name).save(tmp_path)
    assert json.loads((tmp_path / "decoder.json").read_text())["settings"]["model"] == str(unclip_folder.resolve())


@pytest.mark.parametrize("name", ["/tmp/nonexist", "./nonexist", "../nonexist", "~/nonexist"])
def test_a_path_to_nothing_is_not_asked_of_the_hub(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("c3_diffusion.folders.hub_errors", None)
    for make in (UnclipDecoder, KandinskyDecoder):
        with pytest.raises(C3Error, match="nonexist': no such folder"):
            make(DIM, model=name, device="cpu")


def test_pickles_and_broken_weights_are_refused(unclip_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(unclip_folder, folder)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(C3Error, match="cannot be loaded"):
        unclip(folder)
    weights.unlink()
    torch.save({}, folder / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(C3Error, match="pickled"):
        unclip(folder)


def test_pickles_that_nobody_reads_are_passed_over(unclip_folder: Path, tmp_path: Path) -> None:
    """As Stable unCLIP's own repository has them."""
    folder = tmp_path / "copy"
    shutil.copytree(unclip_folder, folder)
    torch.save({}, folder / "sd21-unclip-h.ckpt")
    for path in (folder / "image_encoder").glob("*.safetensors"):
        torch.save({}, path.with_suffix(".bin"))
        path.unlink()
    assert unclip(folder).fingerprint == unclip(unclip_folder).fingerprint


def test_what_a_scheduler_cannot_do_is_said(unclip_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(unclip_folder, folder)
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "num_train_timesteps": 4, "steps_offset": 1}))
    decoder = unclip(folder)
    with pytest.raises(C3Error, match="cannot draw in 4 steps .*Ask for fewer"):
        decoder.generate(conditions(1), {"steps": 4})
    with torch.no_grad():
        next(decoder.parts["vae"].decoder.parameters()).fill_(torch.nan)
    with pytest.raises(C3Error, match="NaN or infinite numbers in 2 steps and float32"):
        decoder.generate(conditions(1), {"steps": 2})


def test_weights_that_changed_are_refused(unclip_folder: Path, tmp_path: Path) -> None:
    folder, saved = tmp_path / "copy", tmp_path / "saved"
    shutil.copytree(unclip_folder, folder)
    saved.mkdir()
    unclip(folder).save(saved)
    assert UnclipDecoder.load(saved, device="cpu").fingerprint == unclip(unclip_folder).fingerprint
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    save_file({name: value + 1 for name, value in load_file(weights).items()}, weights)
    with pytest.raises(C3Error, match="other weights"):
        UnclipDecoder.load(saved, device="cpu")
    shutil.rmtree(folder)
    with pytest.raises(C3Error, match="no such folder"):
        UnclipDecoder.load(saved, device="cpu")


def test_a_fingerprint_is_of_what_is_loaded(unclip_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(unclip_folder, folder)
    before = unclip(folder).fingerprint
    (folder / "notes.txt").write_text("more")
    shutil.copytree(folder / "vae", folder / "vae_of_before")
    for name in ("diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.safetensors.index.fp16.json"):
        (folder / "unet" / name).write_text("{}")
    shutil.rmtree(folder / "image_encoder")
    assert unclip(folder).fingerprint == before
    seen = {before}
    for name in ("unet/config.json", "scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json"):
        (folder / name).write_text((folder / name).read_text() + " ")
        seen.add(unclip(folder).fingerprint)
    assert len(seen) == 4


def test_training_one_is_refused(unclip_folder: Path) -> None:
    decoder = unclip(unclip_folder)
    assert decoder.objectives() == []
    with pytest.raises(C3Error, match="no loss"):
        decoder.loss(conditions(1), [])
