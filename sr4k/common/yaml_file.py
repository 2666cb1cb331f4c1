"""Loads settings from YAML files, shipped ones by name and the user's by path, and checks them with pydantic."""

import re
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from sr4k.common.setting_words import first_fault, leaves
from sr4k.common.shipped_files import shipped_folder, shipped_names
from sr4k.errors import OptionError

Settings = TypeVar("Settings", bound=BaseModel)


class Section(BaseModel):
    """A mapping in a settings file: unknown keys are errors, and it is immutable. No number is true or false."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_number_by_a_switch(cls, value: object, info: ValidationInfo) -> object:
        if not any(isinstance(each, bool) for each in (value if isinstance(value, list | tuple) else [value])):
            return value
        kinds = {*leaves(cls.model_fields[info.field_name or ""].annotation)}
        if kinds & {int, float} and bool not in kinds:
            raise ValueError("must be a number" if float in kinds else "must be a whole number")
        return value


_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""Keys that errors may quote. Anything else may be a stream key in the wrong place."""


class SettingError(OptionError):
    """An unknown key or an invalid value.

    Attributes:
        key: dotted key, such as ``encode.codec``; empty if the error is about the settings as a whole.
        reason: why the value is invalid, to be read after the key: ``must be at least 1``.
        given: the value.
    """

    def __init__(self, where: str, key: str, reason: str, given: object) -> None:
        said = reason if reason.endswith("?") else f"{reason}."
        super().__init__(f"{where}: {key}: {said}" if key else f"{where}: {said}")
        self.key, self.reason, self.given = key, reason, given


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses mappings with a duplicate key, of which PyYAML's would drop the first."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                line = key.start_mark.line + 1
                if key.value in seen:
                    name = f"the key {key.value}" if _KEY.fullmatch(key.value) else "a key"
                    raise yaml.constructor.ConstructorError(
                        problem=f"{name} occurs twice, first in line {seen[key.value]}", problem_mark=key.start_mark
                    )
                seen[key.value] = line
        return node


def load_settings(kind: type[Settings], name: str, *, package: str, noun: str) -> Settings:
    """Load a file of the package by its name, or one of the user's by its path.

    Args:
        kind: model of the settings.
        name: name or path.
        package: package that has the shipped files.
        noun: word for such a file in errors, such as ``preset``.

    Raises:
        OptionError: there is no such file, it can't be read, or it is invalid; names the key.
    """
    shipped = shipped_names(package)
    if name in shipped:
        text, where = (shipped_folder(package) / f"{name}.yaml").read_text("utf-8"), f"{noun} {name}"
    else:
        try:
            text, where = Path(name).read_text("utf-8"), name
        except UnicodeDecodeError:
            raise OptionError(f"{name} is not a {noun}: it isn't text in UTF-8.") from None
        except PermissionError:
            raise OptionError(f"The {noun} {name} may not be read: check its permissions.") from None
        except (OSError, ValueError) as err:  # the latter of a NUL character
            raise OptionError(
                f"There is no {noun} '{name}'. Known: {', '.join(shipped)}; or the path of a YAML file."
            ) from err
    return parsed(kind, text, where)


def parsed(kind: type[Settings], text: str, where: str) -> Settings:
    """Parse settings from YAML text.

    Raises:
        OptionError: it is not YAML, or has an unknown key or an invalid value; names ``where`` and the line or key, and
            quotes nothing else, because the text may hold stream keys.
    """
    try:
        data = yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as err:
        line = "" if err.problem_mark is None else f" in line {err.problem_mark.line + 1}"
        raise OptionError(f"{where} is not valid YAML{line}: {err.problem}.") from None
    except yaml.YAMLError:
        raise OptionError(f"{where} is not valid YAML: it has characters that YAML doesn't allow.") from None
    except RecursionError:
        raise OptionError(f"{where} is not valid YAML: it is nested too deeply.") from None
    except (ValueError, OverflowError):  # raised by Python's types: no such day, or a number of thousands of digits
        raise OptionError(f"{where} is not valid YAML: it has an impossible number or date.") from None
    if not isinstance(data, dict):
        raise OptionError(f"{where} must be a YAML mapping with the keys {', '.join(kind.model_fields)}.")
    return validated(kind, data, where)


def validated(kind: type[Settings], data: dict[str, Any], where: str) -> Settings:
    """Check settings against their model.

    Raises:
        SettingError: there is an unknown key or an invalid value; names ``where`` and the key.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as err:
        raise SettingError(where, *first_fault(err.errors(), kind)) from err
