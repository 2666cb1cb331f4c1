"""Train a network on pairs of pictures: resumable, with a moving average of the weights."""

import copy
import io
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import save as packed
from torch import Tensor, nn

from sr4k.common.printable import clock
from sr4k.common.whole_file import write_whole
from sr4k.errors import OptionError
from sr4k.models.execute import Bfloat16Ops, TorchOps, Trainable, upscale, upscale_window
from sr4k.models.geometry import SCALE
from sr4k.models.quality.protocol import mean_psnr_y
from sr4k.models.quality.testset import pictures_of, titles_of
from sr4k.models.training.data import Batch
from sr4k.models.training.history import HISTORY, Entry, read_history, write_history
from sr4k.models.training.int8_net import Int8Net
from sr4k.models.training.quality_net import QualityNet
from sr4k.models.training.recipe import Recipe
from sr4k.models.training.saved_run import CHECKPOINT, damage_told, saved
from sr4k.models.training.start import Net
from sr4k.models.training.symmetry import Symmetry

log = logging.getLogger(__name__)

WEIGHTS = "weights.safetensors"

_CUT = 8
"""High-resolution pixels at a window's border that the loss leaves out, as their context is unknown."""

_LEAST_ERROR = (0.5 / 255) ** 2
"""Added to a window's mean square error before the logarithm, so that invisible errors don't count."""

NEARBY = 5
"""Side, in high-resolution pixels, of the square around a sample beyond whose range of levels there are halos."""

_TELL_EVERY = 30.0
"""Seconds after which the pace is told between two reports."""

_RANGE = 255.0
"""The range of levels: errors beyond it are those of a training that diverges."""

_CLIP = 1.0
"""Maximum norm of the gradients."""

MakeOps = Callable[[Trainable], TorchOps]
Source = Callable[[int], Iterator[Batch]]


def _in_float(net: Trainable) -> TorchOps:
    return TorchOps(net.convs())


def _in_bfloat16(net: Trainable) -> TorchOps:
    return Bfloat16Ops(net.convs())


def _cpu_has_bfloat16() -> bool:
    """Whether the CPU has instructions for bfloat16; without them it is slower than float32."""
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


class Trainer:
    """The state of one run: network, its moving average, optimisers and step number.

    Args:
        net: network to train, with its initial weights.
        recipe: settings of the run.
        source: function from the number of a batch to an endless iterator of batches from that one on.
        out: folder of the run; a run that it holds is resumed.
        pictures: hash of the pictures that the batches are made of: the run is continued with the same ones alone.
        validate: folders of test pictures.
        ops: function that makes the `TorchOps` to compute with; ``None``: float or bfloat16.

    Raises:
        OptionError: ``out`` holds a run of another recipe or on other pictures, or a damaged one.
    """

    def __init__(
        self,
        net: Net | Int8Net,
        recipe: Recipe,
        source: Source,
        out: Path,
        *,
        pictures: str,
        validate: list[Path],
        ops: MakeOps | None = None,
    ) -> None:
        self.recipe, self.out, self.validate = recipe, out, titles_of(validate)
        self._pictures = pictures
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        has_bf16 = self.device.type == "cuda" or _cpu_has_bfloat16()
        self._source, self._ops = source, ops or _in_float
        self._training_ops = ops or (_in_bfloat16 if has_bf16 else _in_float)
        self._symmetry = Symmetry(net) if recipe.equivariant else None
        if self._symmetry is not None:
            self._symmetry.project()
        self.net = net.to(self.device)
        self.average = copy.deepcopy(self.net).requires_grad_(False)
        self.trained = [p for p in self.net.parameters() if p.requires_grad]
        self._kernels = net.learned_freely()
        self._matrices = [nn.Parameter(p.detach().view(len(p), -1)) for p in self._kernels]  # the same memory
        self._muon = torch.optim.Muon(self._matrices, lr=recipe.learning_rate, weight_decay=0.0)
        by_muon = {id(p) for p in self._kernels}
        self._adam = torch.optim.Adam([p for p in self.trained if id(p) not in by_muon], lr=recipe.adam_learning_rate)
        self.step = 0
        self._history: list[Entry] = []
        self._resume()

    def run(self) -> Path:
        """Train to the end of the run; return the path of the averaged weights.

        Raises:
            InputError: a folder of test pictures can't be read.
            OptionError: the training diverges: what was saved before is kept.
            OutputError: a file can't be written.
        """
        r = self.recipe
        source = self._source(self.step)
        began, began_at, losses = time.monotonic(), self.step, []
        told = began
        while self.step < r.steps:
            batch = next(source)
            losses.append(self.train_step(batch))
            now = time.monotonic()
            pace = (now - began) / (self.step - began_at)
            if self.step % r.every == 0 or self.step == r.steps:
                self._check_on(batch)
                self._report(float(np.mean(losses)), pace)
                self.save()
                losses.clear()
                told = now
            elif now - told >= _TELL_EVERY:
                log.info("step %d/%d  %s", self.step, r.steps, self._pace_in_words(pace))
                told = now
        if self.step == began_at:
            self.save()  # an earlier run may have stopped between writing its two files
        return self.out / WEIGHTS

    def psnr_y(self, folder: Path) -> float:
        """Return the mean PSNR-Y in dB of the averaged weights on a folder of test pictures.

        Raises:
            InputError: the pictures can't be read.
        """
        return mean_psnr_y(pictures_of(folder), self.upscaled_luma)

    def upscaled_luma(self, low: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Upscale uint8 RGB (H, W, 3) with the averaged weights; return limited-range luma (2H, 2W)."""
        height, width = low.shape[:2]
        x = torch.from_numpy(low).to(self.device).permute(2, 0, 1)[None].float()
        with torch.no_grad():
            y = self.average.luma(upscale(self.average, self.average.view(x), self._ops(self.average)))
        full: NDArray[np.float64] = y[0, 0, : SCALE * height, : SCALE * width].clamp(0, 255).double().cpu().numpy()
        return 16 + full * 219 / 255

    def train_step(self, batch: Batch) -> float:
        """Run one step; return the mean absolute error in 8-bit levels.

        Raises:
            OptionError: the training diverges.
        """
        r = self.recipe
        prediction, target = self._seen(self.net, batch)
        difference = prediction - target
        halos = excursions(prediction[-batch.edges :], target[-batch.edges :]) if batch.edges else None
        loss = loss_of(difference, r, self.step, halos)
        for optimiser in (self._muon, self._adam):
            optimiser.zero_grad(set_to_none=True)
        for kernel in self._kernels:
            kernel.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        if self._symmetry is not None:
            self._symmetry.project_gradients()
        nn.utils.clip_grad_norm_(self.trained, _CLIP)
        for matrix, kernel in zip(self._matrices, self._kernels, strict=True):
            matrix.grad = None if kernel.grad is None else kernel.grad.reshape(matrix.shape)
        factor = self._schedule()
        for optimiser, rate in ((self._muon, r.learning_rate), (self._adam, r.adam_learning_rate)):
            optimiser.param_groups[0]["lr"] = rate * factor
            optimiser.step()  # type: ignore[no-untyped-call]
        if self._symmetry is not None:
            self._symmetry.project()  # Muon computes in bfloat16, which breaks the symmetry slightly
        self.step += 1
        decay = min(r.ema, self.step / (self.step + 100))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.net.parameters()), 1 - decay)
        return self._checked(difference)

    def save(self) -> None:
        """Write the checkpoint and the averaged weights.

        Raises:
            OutputError: they can't be written.
        """
        state = {
            "step": self.step,
            "recipe": self.recipe.model_dump(mode="json"),
            "pictures": self._pictures,
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "muon": self._muon.state_dict(),
            "adam": self._adam.state_dict(),
        }
        whole = io.BytesIO()
        torch.save(state, whole)
        write_whole(self.out / CHECKPOINT, whole.getvalue())
        averaged = {key: tensor.contiguous().cpu().clone() for key, tensor in self.average.state_dict().items()}
        write_whole(self.out / WEIGHTS, packed(averaged))

    def _seen(self, whole: Net | Int8Net, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return what a network makes of a batch, and its target, 0..1, without their borders."""
        net = whole.at(batch.quality) if isinstance(whole, QualityNet) else whole
        x, target = (net.view(self._to_device(array)) for array in (batch.low, batch.high))
        prediction = upscale_window(net, x, self._training_ops(net))
        inner = slice(_CUT, -_CUT)
        return prediction[..., inner, inner] / 255, target[..., inner, inner] / 255

    @torch.no_grad()
    def _check_on(self, batch: Batch) -> None:
        """Check what is to be saved, as the last step may have spoilt it."""
        for net in (self.net, self.average):
            prediction, target = self._seen(net, batch)
            self._checked(prediction - target)

    def _checked(self, difference: Tensor) -> float:
        """Return the mean absolute error in 8-bit levels, if it is one of a training that can go on."""
        error = 255 * float(difference.detach().abs().mean())
        if not error <= _RANGE:  # or it is no number
            part = "int8." if isinstance(self.net, Int8Net) else ""
            raise OptionError(
                f"The training diverges at step {self.step}: use a smaller {part}learning_rate or "
                f"{part}adam_learning_rate in the recipe, and another --out. What was saved before is kept."
            )
        return error

    def _schedule(self) -> float:
        r = self.recipe
        progress = self.step / r.steps
        cosine = 0.01 + 0.99 * 0.5 * (1 + float(np.cos(np.pi * progress)))
        return min(1.0, (self.step + 1) / r.warm_up) * cosine

    def _report(self, loss: float, pace: float) -> None:
        scores = {title: self.psnr_y(folder) for title, folder in self.validate.items()}
        self._history.append({"step": self.step, "mae": loss, "psnr_y": scores})
        write_history(self.out / HISTORY, self._history)
        log.info(
            "step %d/%d  error %.3f  %s%s",
            self.step,
            self.recipe.steps,
            loss,
            "".join(f"{name} {score:.3f} dB  " for name, score in scores.items()),
            self._pace_in_words(pace),
        )

    def _pace_in_words(self, pace: float) -> str:
        left = clock(round(pace * (self.recipe.steps - self.step)))[:-3]
        return f"{1e3 * pace:.0f} ms/step, {left} left of these steps"

    def _to_device(self, array: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(array).to(self.device, memory_format=torch.channels_last)

    def _resume(self) -> None:
        path = self.out / CHECKPOINT
        state = saved(path, self.recipe, self._pictures, self.device)
        if state is None:
            return
        with damage_told(path):
            self._take(state)
        self._recall()
        log.info("resumed at step %d", self.step)

    def _take(self, state: dict[str, Any]) -> None:
        with torch.no_grad():  # in place: Muon's matrices share this memory
            self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self._muon.load_state_dict(state["muon"])
        self._adam.load_state_dict(state["adam"])
        self.step = int(state["step"])

    def _recall(self) -> None:
        """Read the history up to this step. Only the plot depends on it: the run goes on without what is lost."""
        path = self.out / HISTORY
        entries, is_whole = read_history(path)
        self._history = [entry for entry in entries if entry["step"] <= self.step]
        if not is_whole or not self._history:
            log.warning("%s is missing, empty or damaged: the plot lacks what it told; the weights are whole.", path)


def loss_of(difference: Tensor, r: Recipe, step: int, halos: Tensor | None = None) -> Tensor:
    """Return the loss of a difference (N, 1 or 3, H, W), -1..1, at a step of a run.

    ``halos``: the `excursions` of the last windows, which count besides.
    """
    if r.decibels:
        errors = difference.square().mean((1, 2, 3))
        if halos is not None and r.quality is not None and r.quality.crisp is not None:
            beyond = r.quality.crisp.excursions * halos.square().mean((1, 2, 3))
            errors = errors + F.pad(beyond, (len(errors) - len(beyond), 0))
        return torch.log(errors + _LEAST_ERROR).mean()
    if step < r.l2_from * r.steps:
        return difference.abs().mean()
    return 10 * difference.square().mean()


def excursions(prediction: Tensor, target: Tensor) -> Tensor:
    """Return how far each sample is beyond the range of the target nearby, as halos are."""
    highest, least = (sign * F.max_pool2d(sign * target, NEARBY, stride=1, padding=NEARBY // 2) for sign in (1, -1))
    return F.relu(prediction - highest) + F.relu(least - prediction)
