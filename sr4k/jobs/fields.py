"""Fields of a job that a person may fill with words."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

_Given = TypeVar("_Given")
_Kept = TypeVar("_Kept")


class Field(Generic[_Given, _Kept]):
    """A field that may be given in a person's words, and is kept as what they mean."""

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
        if not self._default:  # dataclasses ask the class for it
            raise AttributeError(self._name)
        return self._default[0]

    def __set__(self, job: object, value: _Given) -> None:
        job.__dict__[self._name] = self._meaning(value)
