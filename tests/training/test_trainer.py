"""The training loop: its steps by hand, early stopping, and a killed run that ends as one that was not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from c3core.contracts import Objective
from c3core.errors import C3Error, CorruptFile, WrongCall
from c3core.training.checkpoint import load_checkpoint, trained_state
from c3core.training.options import TrainingOptions
from c3core.training.task import TrainingTask
from c3core.training.trainer import train

OPTIONS = TrainingOptions(
    steps=24,
    batch_size=4,
    learning_rate=0.05,
    warmup_steps=4,
    eval_steps=5,
    save_steps=3,
    logging_steps=4,
    early_stopping_patience=50,
)


def make_task(die_at: int | None = None, die_in: str = "step") -> TrainingTask:
    """Fit y = Wx with dropout and two objectives, of which one steps every third time. Kill the process at `die_at`."""
    torch.manual_seed(7)
    data = torch.randn(40, 3)
    truth = data @ torch.tensor([[1.0], [-2.0], [0.5]])
    module = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.2), nn.Linear(8, 1))
    done = [0]

    def rows(epoch: int) -> Iterator[list[int]]:
        order = torch.randperm(40, generator=torch.Generator().manual_seed(epoch)).tolist()
        return iter([order[i : i + 4] for i in range(0, 40, 4)])

    def batch(chosen: list[int], generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        return data[chosen] + 0.1 * torch.randn(4, 3, generator=generator), truth[chosen]

    def loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (module(x) - y).square().mean()

    def validate() -> float:
        if die_in == "validation" and die_at is not None and done[0] >= die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return float(loss(data, truth))

    def after_step(step: int) -> None:
        done[0] = step
        if die_in == "step" and step == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    first, last = module[0], module[2]
    objectives = [
        Objective("main", [*first.parameters()], loss),
        Objective("other", [*last.parameters()], loss, every=3, optimizer={"lr": 0.01, "betas": (0.0, 0.99)}),
    ]
    return TrainingTask(module, objectives, rows, batch, 10, validate, after_step)


def run_and_die(folder: str, die_at: int, die_in: str) -> None:
    torch.set_num_threads(1)
    train(make_task(die_at, die_in), OPTIONS, Path(folder), quiet=True)


def test_a_killed_run_started_again_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole = make_task()
    train(whole, OPTIONS, tmp_path / "whole", quiet=True)
    context = get_context("forkserver")
    killed = tmp_path / "killed"
    for die_at, die_in in [(1, "step"), (4, "step"), (5, "validation"), (11, "step"), (20, "validation"), (23, "step")]:
        process = context.Process(target=run_and_die, args=(str(killed), die_at, die_in))
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
    last = make_task()
    result = train(last, OPTIONS, killed, quiet=True)
    for name, value in trained_state(whole.module).items():
        assert torch.equal(value, trained_state(last.module)[name]), name
    assert (killed / "metrics.jsonl").read_text() == (tmp_path / "whole" / "metrics.jsonl").read_text()
    assert result.steps == 24


def test_a_finished_run_started_again_trains_nothing(tmp_path: Path) -> None:
    first = train(make_task(), OPTIONS, tmp_path, quiet=True)
    again, checkpoint = make_task(), (tmp_path / "checkpoint.safetensors").read_bytes()
    again.batch = lambda rows, generator: pytest.fail("a batch was made")
    result = train(again, OPTIONS, tmp_path, quiet=True)
    assert (result.steps, result.loss, result.best) == (first.steps, first.loss, first.best)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == checkpoint
    saved = load_checkpoint(tmp_path / "checkpoint.safetensors", again.module, [])
    assert result.seconds > saved.seconds > 0  # those of the first session count


def test_the_folder_holds_recipe_versions_seed_and_metrics(tmp_path: Path) -> None:
    train(make_task(), OPTIONS, tmp_path, recipe={"what": "a test"}, quiet=True)
    described = json.loads((tmp_path / "run.json").read_text())
    assert described["recipe"]["what"] == "a test"
    assert described["recipe"]["training"]["learning_rate"] == 0.05
    assert described["versions"]["torch"] == version("torch")
    assert described["seed"] == 0
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [4, 8, 12, 16, 20, 24]
    assert [line["step"] for line in lines if "validation" in line] == [5, 10, 15, 20, 24]


STEPS_BY_HAND = [
    # linear warm-up over 2 of 6 steps, then linear decay; with and without clipping to a norm of 1
    ({"warmup_steps": 2, "lr_scheduler_type": "linear", "max_grad_norm": None}, [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]),
    ({"warmup_steps": 2, "lr_scheduler_type": "linear", "max_grad_norm": 1.0}, [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]),
    ({"warmup_steps": 0, "lr_scheduler_type": "constant", "max_grad_norm": None}, [1.0] * 6),
]


@pytest.mark.parametrize(("chosen", "factors"), STEPS_BY_HAND)
def test_steps_are_those_of_plain_torch(tmp_path: Path, chosen: dict[str, Any], factors: list[float]) -> None:
    """The learning rate follows its schedule, an objective's own options replace the others, and gradients over
    `max_grad_norm` are clipped; None clips nothing.
    """
    data = torch.randn(6, 8, 3, generator=torch.Generator().manual_seed(0)) * torch.logspace(1, -1, 6).view(6, 1, 1)
    options = TrainingOptions(steps=6, learning_rate=0.1, weight_decay=0.2, **chosen)
    own = {"lr": 0.03, "betas": (0.5, 0.9)}

    def make() -> tuple[nn.Linear, nn.Linear]:
        torch.manual_seed(1)
        return nn.Linear(3, 3), nn.Linear(3, 3)

    def loss(layer: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda x: (layer(x) - x.roll(1, 1)).square().mean()

    layers = make()
    objectives = [
        Objective("first", [*layers[0].parameters()], loss(layers[0])),
        Objective("second", [*layers[1].parameters()], loss(layers[1]), optimizer=own),
    ]
    task = TrainingTask(nn.ModuleList(layers), objectives, lambda epoch: iter(data), lambda x, generator: (x,), 6)
    train(task, options, tmp_path, quiet=True)

    expected = make()
    settings = [{"lr": 0.1, "betas": (0.9, 0.999)}, own]
    for layer, setting in zip(expected, settings, strict=True):
        groups = [{"params": [layer.weight]}, {"params": [layer.bias], "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, weight_decay=0.2, **setting)
        for x, factor in zip(data, factors, strict=True):
            optimizer.zero_grad()
            loss(layer)(x).backward()
            if options.max_grad_norm is not None:
                nn.utils.clip_grad_norm_(layer.parameters(), options.max_grad_norm)
            for group in optimizer.param_groups:
                group["lr"] = factor * setting["lr"]
            optimizer.step()
    torch.testing.assert_close([*map(nn.Module.state_dict, layers)], [*map(nn.Module.state_dict, expected)])


def test_early_stopping_keeps_the_best_weights(tmp_path: Path) -> None:
    task = make_task()
    figures = iter([3.0, 1.0, 2.0, 2.5])
    seen: list[torch.Tensor] = []

    def validate() -> float:
        seen.append(task.module[0].weight.detach().clone())
        return next(figures)

    task.validate = validate
    result = train(task, OPTIONS.model_copy(update={"early_stopping_patience": 2}), tmp_path, quiet=True)
    assert (result.best, result.best_step, result.steps) == (1.0, 10, 20)
    assert torch.equal(task.module[0].weight, seen[1])


def test_validation_after_each_epoch(tmp_path: Path) -> None:
    task = make_task()
    task.batches_per_epoch = 7
    rows = task.rows
    task.rows = lambda epoch: [*rows(epoch)][:7]
    options = OPTIONS.model_copy(update={"eval_strategy": "epoch", "logging_steps": 100})
    train(task, options, tmp_path, quiet=True)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "validation" in line] == [7, 14, 21, 24]


def test_of_equal_validations_the_first_one_is_the_best(tmp_path: Path) -> None:
    task = make_task()
    task.validate = lambda: 1.0
    assert train(task, OPTIONS, tmp_path, quiet=True).best_step == OPTIONS.eval_steps


def test_the_metrics_hold_the_loss_of_each_objective_and_the_learning_rate(tmp_path: Path) -> None:
    options = OPTIONS.model_copy(update={"steps": 4, "logging_steps": 1, "eval_steps": 100, "warmup_steps": 2})
    result = train(make_task(), options, tmp_path, quiet=True)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "loss" in line]
    factors = [options.learning_rate_factor(step, 4) for step in range(4)]
    assert [line["learning_rate"] for line in steps] == [0.05 * factor for factor in factors]
    assert [line["step"] for line in steps] == [1, 2, 3, 4]
    assert all(line["losses"].keys() == {"main", "other"} for line in steps)
    assert [line["losses"]["main"] for line in steps] == [line["loss"] for line in steps]
    assert steps[-1]["loss"] == result.loss


def test_a_share_of_an_epoch_is_at_least_one_step(tmp_path: Path) -> None:
    options = OPTIONS.model_copy(update={"steps": None, "epochs": 0.01})
    assert train(make_task(), options, tmp_path, quiet=True).steps == 1


def test_another_recipe_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    train(make_task(), OPTIONS, tmp_path, quiet=True)
    with pytest.raises(WrongCall, match="another recipe: training.learning_rate was 0.05"):
        train(make_task(), OPTIONS.model_copy(update={"learning_rate": 0.1}), tmp_path, quiet=True)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_checkpoint_is_one_clear_error(tmp_path: Path, share: float) -> None:
    train(make_task(), OPTIONS, tmp_path, quiet=True)
    path = tmp_path / "checkpoint.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CorruptFile):
        train(make_task(), OPTIONS, tmp_path, quiet=True)


def test_objectives_with_names_that_begin_alike_are_resumed_each_from_its_own_state(tmp_path: Path) -> None:
    def named_task() -> TrainingTask:
        made = make_task()
        for objective, name in zip(made.objectives, ("g", "g.x"), strict=True):
            objective.name = name
        return made

    whole, half = named_task(), named_task()
    train(whole, OPTIONS, tmp_path / "whole", quiet=True)
    half.after_step = stop_at(9)
    with pytest.raises(KeyboardInterrupt):
        train(half, OPTIONS, tmp_path / "half", quiet=True)
    last = named_task()
    train(last, OPTIONS, tmp_path / "half", quiet=True)
    for name, value in trained_state(whole.module).items():
        assert torch.equal(value, trained_state(last.module)[name]), name


def test_ctrl_c_finishes_the_step_and_writes_a_checkpoint(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    whole, stopped, again = make_task(), make_task(), make_task()
    train(whole, OPTIONS, tmp_path / "whole", quiet=True)
    taken = []

    def press(step: int) -> None:
        taken.append(step)
        if step == 4:
            signal.raise_signal(signal.SIGINT)

    stopped.after_step = press
    with pytest.raises(KeyboardInterrupt, match="stopped after step 4 of 24"):
        train(stopped, OPTIONS, tmp_path / "run", quiet=True)
    assert taken == [1, 2, 3, 4]
    again.after_step = taken.append
    train(again, OPTIONS, tmp_path / "run", quiet=True)
    assert taken[4] == 5  # no checkpoint was due before
    for name, value in trained_state(whole.module).items():
        assert torch.equal(value, trained_state(again.module)[name]), name
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_in_the_last_step_is_not_lost(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    stopped, again = make_task(), make_task()
    total = OPTIONS.steps
    stopped.after_step = lambda step: signal.raise_signal(signal.SIGINT) if step == total else None
    with pytest.raises(KeyboardInterrupt, match=f"stopped after step {total} of {total}"):
        train(stopped, OPTIONS, tmp_path / "run", quiet=True)
    again.after_step = stop_at(0)  # nothing is left to do
    assert train(again, OPTIONS, tmp_path / "run", quiet=True).steps == total
    signal.signal(signal.SIGINT, before)


def stop_at(last: int) -> Callable[[int], None]:
    def stop(step: int) -> None:
        if step == last:
            raise KeyboardInterrupt

    return stop


def test_a_loss_that_is_not_finite_ends_the_run_with_advice(tmp_path: Path) -> None:
    task = make_task()
    task.objectives = [Objective("main", [*task.module.parameters()], lambda x, y: task.module(x).sum() * float("nan"))]
    with pytest.raises(C3Error, match="Lower learning_rate"):
        train(task, OPTIONS, tmp_path, quiet=True)


@pytest.mark.parametrize(
    ("give", "what"), [(lambda loss: loss.expand(4), r"\(4,\)"), (lambda loss: loss.item(), "float")]
)
def test_a_loss_that_is_not_one_number_is_refused(
    tmp_path: Path, give: Callable[[torch.Tensor], Any], what: str
) -> None:
    task = make_task()
    task.objectives = [Objective("main", [*task.module.parameters()], lambda x, y: give(task.module(x).mean()))]
    with pytest.raises(C3Error, match=rf"loss of objective 'main' must be a tensor of shape \(\), not {what}"):
        train(task, OPTIONS, tmp_path, quiet=True)


def test_a_loss_draws_other_numbers_than_its_batch(tmp_path: Path) -> None:
    task, seen = make_task(), []
    task.batch = lambda rows, generator: (torch.randn(4, 3, generator=generator), torch.zeros(4, 1))

    def loss(noise: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        seen.append((noise, torch.randn(4, 3)))
        return (task.module(noise) - y).square().mean()

    task.objectives = [Objective("main", [*task.module.parameters()], loss)]
    train(task, OPTIONS, tmp_path, quiet=True)
    assert len(seen) == 24
    noise, own = (torch.cat([pair[place] for pair in seen]).flatten() for place in (0, 1))  # 288 draws each
    assert (
        abs(torch.corrcoef(torch.stack([noise, own]))[0, 1]) < 0.25
    )  # of independent draws its standard deviation is 0.06


def test_one_process_trains_on_the_device_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Accelerator, "device", property(lambda self: torch.device("meta"))
    )  # as a machine with an accelerator has
    task = make_task()
    task.device = torch.device("cpu")
    assert train(task, OPTIONS, tmp_path, quiet=True).steps == 24
    assert {parameter.device.type for parameter in task.module.parameters()} == {"cpu"}
    with pytest.raises(RuntimeError, match="device meta"):
        train(make_task(), OPTIONS, tmp_path / "other", quiet=True)


def test_an_objective_without_parameters_is_refused(tmp_path: Path) -> None:
    task = make_task()
    task.objectives = [Objective("main", [], lambda x, y: x.sum())]
    with pytest.raises(C3Error, match="no parameters to train"):
        train(task, OPTIONS, tmp_path, quiet=True)


TWO_PROCESSES = """
import json, os, sys, torch
from pathlib import Path
from torch import nn
from c3core.contracts import Objective
from c3core.training.task import TrainingTask
from c3core.training.trainer import train
from c3core.training.options import TrainingOptions

out, together = Path(sys.argv[1]), int(sys.argv[2])
data, module, seen = torch.arange(24.0).reshape(12, 2) / 24, nn.Linear(2, 1), []
rank = os.environ.get("RANK", "0")
nn.init.constant_(module.weight, 0.5), nn.init.constant_(module.bias, float(rank))  # all take those of rank 0
order = list(range(12))
rows = lambda epoch: iter([order[k : k + together] for k in range(0, 12, together)])

def batch(chosen, generator):
    seen.extend(chosen)
    return (data[chosen],)

objective = Objective("main", [*module.parameters()], lambda x: (module(x) - x.sum(1, keepdim=True)).square().mean())
options = TrainingOptions(epochs=2, batch_size=together, learning_rate=0.1, warmup_steps=0)
result = train(TrainingTask(module, [objective], rows, batch, 12 // together), options, out / "run", quiet=True)
(out / f"{rank}.json").write_text(json.dumps([result.steps, seen, [*module.weight[0].tolist(), module.bias.item()]]))
"""


def test_two_processes_share_the_batches_and_end_with_the_weights_of_one(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(TWO_PROCESSES)
    for folder in ("two", "one"):
        (tmp_path / folder).mkdir()
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true"}
    for command in ([*launch, script, tmp_path / "two", "2"], [sys.executable, script, tmp_path / "one", "4"]):
        done = subprocess.run(
            [*map(str, command)], capture_output=True, text=True, timeout=120, check=False, env=environment
        )
        assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / "two" / f"{rank}.json").read_text()) for rank in (0, 1))
    alone = json.loads((tmp_path / "one" / "0.json").read_text())
    assert first[0] == second[0] == alone[0] == 6
    assert first[1] == [0, 1, 4, 5, 8, 9] * 2  # every second batch of two rows, over two epochs
    assert second[1] == [2, 3, 6, 7, 10, 11] * 2
    torch.testing.assert_close(torch.tensor(first[2]), torch.tensor(second[2]), rtol=0, atol=0)
    torch.testing.assert_close(torch.tensor(first[2]), torch.tensor(alone[2]), rtol=1e-5, atol=1e-6)


def test_bfloat16_is_used_only_if_the_processor_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch emulates bfloat16 on any processor, so that both kinds can be tested on this one."""
    weights = {}
    for kind, has in (("without", {}), ("with", {"amx_bf16": True})):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: has, raising=False)
        for precision in ("float32", "bfloat16"):
            task = make_task()
            train(task, OPTIONS.model_copy(update={"precision": precision}), tmp_path / kind / precision, quiet=True)
            weights[kind, precision] = task.module[0].weight.detach().clone()
            described = json.loads((tmp_path / kind / precision / "run.json").read_text())
            assert described["precision"] == (precision if has else "float32")
    assert torch.equal(weights["without", "bfloat16"], weights["without", "float32"])
    assert torch.equal(weights["with", "float32"], weights["without", "float32"])
    assert not torch.equal(weights["with", "bfloat16"], weights["with", "float32"])


def test_a_parameter_without_a_gradient_in_a_step_is_left_alone(tmp_path: Path) -> None:
    used, idle = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    seen = []

    def loss(with_both: bool) -> torch.Tensor:
        return used.square().sum() + (idle.square().sum() if with_both else 0)

    task = TrainingTask(
        nn.ParameterList([used, idle]),
        [Objective("main", [used, idle], loss)],
        lambda epoch: iter([True, False, True]),
        lambda with_both, generator: (with_both,),
        3,
        after_step=lambda step: seen.append(idle.detach().clone()),
    )
    train(task, TrainingOptions(steps=3, learning_rate=0.1, warmup_steps=0), tmp_path, quiet=True)
    assert torch.equal(seen[0], seen[1])  # momentum and weight decay would move it
    assert not torch.equal(seen[1], seen[2])
