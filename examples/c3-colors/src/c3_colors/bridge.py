import torch

from c3core import Bridge, C3Error, Moments


class Standard(Bridge):
    """(e − ē) / s + ε: subtract the modality's mean, divide by its spread, and add noise while training."""

    needs = frozenset({"mean", "variance"})  # the moments to gather

    def __init__(self, name, *, noise_std=0.1):
        self.name, self.noise_std, self.target, self.known = name, noise_std, None, {}

    @property
    def modalities(self):
        return tuple(self.known)

    def fit(self, embeddings, *, target=None):
        self.target, self.known = target, {}
        return self.extend(embeddings)

    def extend(self, embeddings):
        for modality, data in embeddings.items():
            moments = Moments.of(data, self.needs)  # takes tensors, batches and stores
            self.known[modality] = moments.mean.float(), moments.variance.mean().sqrt().float()
        return self

    def condition(self, e, modality):
        if modality not in self.known:
            raise C3Error(
                f"bridge {self.name!r} is not fitted on {modality}. Add it: pipeline.extend({{{modality!r}: …}})."
            )
        mean, spread = self.known[modality]
        if e.ndim != 2 or e.shape[1] != len(mean):
            raise C3Error(f"bridge {self.name!r} takes embeddings of shape (n, {len(mean)}), got {tuple(e.shape)}.")
        return ((e.float() - mean.to(e.device)) / spread.to(e.device)).to(e.dtype)

    def train_condition(self, e, modality, *, generator=None):
        noise = torch.randn(e.shape, generator=generator).to(e)
        return self.condition(e, modality) + self.noise_std * noise

    def config(self):
        return {"name": self.name, "noise_std": self.noise_std, "target": self.target, "modalities": list(self.known)}

    def state(self):
        parts = [(f"{m}.mean", f"{m}.spread") for m in self.known]
        return {name: value for names, values in zip(parts, self.known.values()) for name, value in zip(names, values)}

    @classmethod
    def restore(cls, config, state):
        bridge = cls(config["name"], noise_std=config["noise_std"])
        bridge.target = config["target"]
        bridge.known = {m: (state[f"{m}.mean"], state[f"{m}.spread"]) for m in config["modalities"]}
        return bridge
