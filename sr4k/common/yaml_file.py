"""Loads settings from YAML files, shipped ones by name and the user's by path, and checks them with pydantic."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from sr4k.errors import OptionError

Settings = TypeVar("Settings", bound=BaseModel)


class Section(BaseModel):
    """A mapping in a settings file: unknown keys are errors, and it is immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""Keys that errors may quote. Anything else may be a stream key in the wrong place."""


class SettingError(OptionError):
    """An unknown key or an invalid value.

    Attributes:
        key: dotted key, such as ``encode.codec``; empty if the error is about the settings as a whole.
        given: the value.
        reason: why it is invalid.
        allowed: the allowed values, if they can be listed.
    """

    def __init__(self, where: str, key: str, given: object, reason: str, allowed: str | None) -> None:
        super().__init__(f"{where}: {key}: {reason}." if key else f"{where}: {reason}.")
        self.key, self.given, self.reason, self.allowed = key, given, reason, allowed


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


def shipped_names(package: str) -> list[str]:
    """Return the names of the YAML files in a package, without their suffix."""
    return sorted(path.name.removesuffix(".yaml") for path in files(package).iterdir() if path.name.endswith(".yaml"))


def load_settings(kind: type[Settings], name: str, *, package: str, noun: str) -> Settings:
    """Load a file of the package by its name, or one of the user's by its path.

    Args:
        kind: model of the settings.
        name: name or path.
        package: package that has the shipped files.
        noun: word for such a file in errors, such as ``preset``.

    Raises:
        OptionError: there is no such file, or it is invalid; names the key.
    """
    shipped = shipped_names(package)
    if name in shipped:
        text, where = files(package).joinpath(f"{name}.yaml").read_text("utf-8"), f"{noun} {name}"
    else:
        try:
            text, where = Path(name).read_text("utf-8"), name
        except UnicodeDecodeError:
            raise OptionError(f"{name} is not a {noun}: it isn't text in UTF-8.") from None
        except OSError as err:
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
        first = err.errors()[0]
        key, reason = _in_words(first["loc"], first["type"], first["msg"], first["input"])
        allowed = [each["ctx"]["expected"] for each in err.errors() if each["type"] == "literal_error"]
        raise SettingError(where, key, first["input"], reason, next(iter(allowed), None)) from err


def _in_words(loc: tuple[int | str, ...], kind: str, message: str, given: object) -> tuple[str, str]:
    """Return the dotted key and the reason, in YAML's terms where pydantic's message has Python's types."""
    if loc[-1:] == ("[key]",) and isinstance(given, bool):
        return ".".join(map(str, loc[:-2])), "YAML reads this name as true or false: put it in quotes"
    if loc[-1:] == ("[key]",):
        reason = "must be text: put it in quotes" if kind == "string_type" else message
        return ".".join(map(str, loc[:-1])), reason
    mapping = "must be a mapping of keys"
    reasons = {"tuple_type": "must be a list, such as [a, b]", "dict_type": mapping, "mapping_type": mapping}
    return ".".join(map(str, loc)), reasons.get(kind, message.removeprefix("Value error, "))
