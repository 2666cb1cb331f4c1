"""Descriptor for fields of a job that also accept text."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

_Given = TypeVar("_Given")
_Kept = TypeVar("_Kept")


class Field(Generic[_Given, _Kept]):
    """A dataclass field that converts what is assigned to it.

    Args:
        meaning: converts an assigned value to the stored one.
        default: value to assign if none is passed.
    """

    def __init__(self, meaning: Callable[[_Given], _Kept], *default: _Given) -> None:
        self._meaning, self._default = meaning, default

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, job: None, owner: type) -> _Given: ...
    @overload
    def __get__(self, job: object, owner: type) -> _Kept: ...
    def __get__(self, job: object | None, owner: type) -> Any:
        if job is not None:
            return job.__dict__[self._name]
        if not self._default:  # dataclasses read the default from the class
            raise AttributeError(self._name)
        return self._default[0]

    def __set__(self, job: object, value: _Given) -> None:
        job.__dict__[self._name] = self._meaning(value)
