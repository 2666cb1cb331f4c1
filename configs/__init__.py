"""Presets: named YAML files that say how the graph is cut into workers and what the stages do."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sr4k.errors import OptionError
from sr4k.models import zoo
from sr4k.models.architecture import Pixels, Precision
from sr4k.stages.settings import Codec

StageName = Literal["decode", "preprocess", "infer", "reconstruct", "convert", "encode"]
STAGES: tuple[StageName, ...] = get_args(StageName)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GraphPreset(_Section):
    """How the stages are spread over workers.

    ``workers``: name of each worker and its stages, in the order of the flow. ``slots``: frames that fit between two
    workers. ``mode``: a process or a thread for each worker.
    """

    workers: Mapping[str, tuple[StageName, ...]]
    slots: Annotated[int, Field(ge=4, le=64)] = 4
    mode: Literal["processes", "threads"] = "processes"

    @field_validator("workers")
    @classmethod
    def _in_order(cls, workers: Mapping[str, tuple[StageName, ...]]) -> Mapping[str, tuple[StageName, ...]]:
        listed = tuple(stage for stages in workers.values() for stage in stages)
        if listed != STAGES or not all(workers.values()):
            raise ValueError(f"together the workers must hold, in this order: {', '.join(STAGES)}")
        return workers


class EnginePreset(_Section):
    """See `sr4k.engines.EngineSpec`. ``threads``: ``null`` takes all that the machine grants."""

    name: str = "openvino"
    model: str = zoo.DEFAULT
    weights: Path | None = None
    precision: Precision = "auto"
    pixels: Pixels = "yuv"
    threads: Annotated[int, Field(ge=1)] | None = None


class EncodePreset(_Section):
    """See `sr4k.stages.settings.EncodeSettings`."""

    codec: Codec = "h264"
    crf: Annotated[int, Field(ge=0, le=63)] | None = None
    bitrate: Annotated[int, Field(gt=0)] | None = None
    preset: str | None = None
    options: Mapping[str, str] = {}


class Preset(_Section):
    """One preset file."""

    description: str
    graph: GraphPreset
    engine: EnginePreset = EnginePreset()
    encode: EncodePreset = EncodePreset()

    def updated(self, section: Literal["graph", "engine", "encode"], **changes: Any) -> "Preset":
        """A copy with some keys of one section changed; ``None`` leaves a key as it is.

        Raises:
            OptionError: a value that the key can't have.
        """
        data = self.model_dump()
        data[section] |= {key: value for key, value in changes.items() if value is not None}
        return _validated(data, "option")


def preset_names() -> list[str]:
    """The presets that ship with the package."""
    return sorted(path.name.removesuffix(".yaml") for path in files(__name__).iterdir() if path.name.endswith(".yaml"))


def load_preset(name: str) -> Preset:
    """A shipped preset by name, or one of the user's by the path of its YAML file.

    Raises:
        OptionError: no such preset, or the file is not a valid one; names the key.
    """
    if name in preset_names():
        text, where = files(__name__).joinpath(f"{name}.yaml").read_text("utf-8"), f"preset {name}"
    else:
        try:
            text, where = Path(name).read_text("utf-8"), name
        except OSError as err:
            raise OptionError(
                f"There is no preset '{name}'. Known: {', '.join(preset_names())}; or the path of a YAML file."
            ) from err
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as err:
        raise OptionError(f"{where} is not valid YAML: {' '.join(str(err).split())}.") from err
    if not isinstance(data, dict):
        raise OptionError(f"{where} must be a YAML mapping with the keys {', '.join(Preset.model_fields)}.")
    return _validated(data, where)


def _validated(data: dict[str, Any], where: str) -> Preset:
    try:
        return Preset.model_validate(data)
    except ValidationError as err:
        first = err.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise OptionError(f"{where}: {key}: {first['msg']}.") from err
