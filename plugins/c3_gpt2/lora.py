"""Low-rank adaptation of a language model through peft."""

from __future__ import annotations

from importlib.util import find_spec

from torch import Tensor, nn

from c3core.errors import NotInstalled


def require_peft() -> None:
    """Raise an error that says how to install peft, if it is missing."""
    if find_spec("peft") is None:
        raise NotInstalled('train="lora" needs peft. Install it: pip install "c3core[gpt2]"')


def add_adapters(model: nn.Module, rank: int) -> None:
    """Add adapters to every linear layer except the output's, in place. Only the adapters are trained."""
    require_peft()
    from peft import LoraConfig, inject_adapter_in_model

    # Conv1D, GPT-2's linear layer, keeps its weight transposed. peft warns unless it is told.
    turned = any(type(module).__name__ == "Conv1D" for module in model.modules())
    config = LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM", fan_in_fan_out=turned
    )
    inject_adapter_in_model(config, model)


def adapter_state(model: nn.Module) -> dict[str, Tensor]:
    """Return the adapters' weights by name."""
    return {name: value for name, value in model.state_dict().items() if ".lora_" in name}


def base_state(model: nn.Module) -> dict[str, Tensor]:
    """Return the weights of the model without its adapters, under their original names."""
    return {
        name.replace(".base_layer.", "."): value for name, value in model.state_dict().items() if ".lora_" not in name
    }
