"""Training of a network on pairs of pictures: resumable, with an average of the weights kept beside them."""

import copy
import logging
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from sr4k.errors import OptionError
from sr4k.models.architecture import RCAN2, SCALE, Architecture
from sr4k.models.evaluate import mean_psnr_y
from sr4k.models.rcan import Rcan, initialise_bicubic
from sr4k.models.training.data import batches, load_pairs

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class TrainSettings:
    """One training run. Learning rate: linear warm-up, then cosine to 1 % of ``learning_rate``."""

    data: list[Path]
    out: Path
    arch: Architecture = RCAN2
    steps: int = 60_000
    batch: int = 16
    patch: int = 48  # low-resolution pixels
    keep: float = 0.4  # share of windows, most detailed first
    learning_rate: float = 1e-3
    warm_up: int = 500
    l2_from: float = 0.7  # share of the run after which the loss turns from L1 to L2
    ema: float = 0.999
    seed: int = 1
    validate: list[Path] = field(default_factory=list)
    every: int = 1000  # steps between checkpoints (and validations)


class Trainer:
    """The state of one run: network, its moving average, optimiser and step number."""

    def __init__(self, settings: TrainSettings) -> None:
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        net = Rcan(settings.arch)
        initialise_bicubic(net)
        self.net = net.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.net).requires_grad_(False)
        self.trained = [p for p in self.net.parameters() if p.requires_grad]
        self.optimiser = torch.optim.Adam(self.trained, lr=settings.learning_rate)
        self.step = 0
        self._resume()

    def run(self) -> Path:
        """Train to the end of the run; returns the file of averaged weights."""
        s = self.settings
        pairs = load_pairs(s.data, patch=s.patch, keep=s.keep)
        log.info("%d pictures, %d windows", len(pairs), sum(len(p.windows) for p in pairs))
        source = batches(pairs, patch=s.patch, batch=s.batch, seed=s.seed, start=self.step)
        began, began_at, losses = time.monotonic(), self.step, []
        while self.step < s.steps:
            losses.append(self._train_step(*next(source)))
            if self.step % s.every == 0 or self.step == s.steps:
                self._save()
                pace = (time.monotonic() - began) / (self.step - began_at)
                scores = "  ".join(f"{folder.name} {self.psnr_y(folder):.3f} dB" for folder in s.validate)
                log.info(
                    "step %d/%d  loss %.3f  %s  %.0f ms/step, %.0f min left",
                    self.step,
                    s.steps,
                    float(np.mean(losses)),
                    scores,
                    1e3 * pace,
                    pace * (s.steps - self.step) / 60,
                )
                losses.clear()
        return s.out / WEIGHTS

    def psnr_y(self, folder: Path) -> float:
        """PSNR-Y of the averaged weights on a folder of pictures."""
        return mean_psnr_y(folder, lambda low: upscale_rgb(self.average, low))

    def _train_step(self, low: NDArray[np.uint8], high: NDArray[np.uint8]) -> float:
        s = self.settings
        x, target = self._to_device(low), self._to_device(high)
        prediction = self.net.forward_collapsed(x)
        inner = slice(SCALE, -SCALE)  # the outermost pixels of a patch are not what the published form computes
        prediction, target = prediction[..., inner, inner], target[..., inner, inner]
        distance = F.l1_loss if self.step < s.l2_from * s.steps else F.mse_loss
        loss = distance(prediction / 255, target / 255)
        self.optimiser.param_groups[0]["lr"] = self._learning_rate()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.trained, 0.1)
        self.optimiser.step()
        self.step += 1
        decay = min(s.ema, self.step / (self.step + 100))
        with torch.no_grad():
            for kept, new in zip(self.average.parameters(), self.net.parameters(), strict=True):
                kept.lerp_(new, 1 - decay)
        return float(F.l1_loss(prediction.detach(), target))

    def _learning_rate(self) -> float:
        s = self.settings
        if self.step < s.warm_up:
            return s.learning_rate * (self.step + 1) / s.warm_up
        progress = (self.step - s.warm_up) / max(1, s.steps - s.warm_up)
        return s.learning_rate * (0.01 + 0.99 * 0.5 * (1 + float(np.cos(np.pi * progress))))

    def _to_device(self, array: NDArray[np.uint8]) -> Tensor:
        tensor = torch.from_numpy(array).to(self.device)
        return tensor.float().contiguous(memory_format=torch.channels_last)

    def _save(self) -> None:
        out = self.settings.out
        out.mkdir(parents=True, exist_ok=True)
        state = {
            "step": self.step,
            "settings": _identity(self.settings),
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        torch.save(state, out / "checkpoint.tmp")
        (out / "checkpoint.tmp").replace(out / CHECKPOINT)
        save_file({k: v.contiguous().cpu() for k, v in self.average.state_dict().items()}, out / WEIGHTS)

    def _resume(self) -> None:
        path = self.settings.out / CHECKPOINT
        if not path.exists():
            return
        state: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
        if state["settings"] != _identity(self.settings):
            raise OptionError(f"{path} belongs to a run with other settings: choose another --out, or the same ones.")
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = int(state["step"])
        log.info("resumed at step %d", self.step)


def _identity(settings: TrainSettings) -> dict[str, Any]:
    """What must be equal for a run to be the continuation of another."""
    ignored = ("data", "out", "validate", "every")
    return {key: value for key, value in asdict(settings).items() if key not in ignored}


@torch.no_grad()
def upscale_rgb(net: Rcan, low: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Upscale one picture, uint8 RGB (H, W, 3) to (2H, 2W, 3), with replicated borders."""
    height, width = low.shape[:2]
    pad = 4
    x = torch.from_numpy(low).to(next(net.parameters()).device).permute(2, 0, 1)[None].float()
    x = F.pad(x, (pad, pad + width % 2, pad, pad + height % 2), mode="replicate")
    y = net(x)[0, :, SCALE * pad :, SCALE * pad :][:, : SCALE * height, : SCALE * width]
    out: NDArray[np.uint8] = y.permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    return out
