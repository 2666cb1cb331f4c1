"""The process that talks to the cluster tells why it ends, and not what went wrong after that."""

from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from sr4k.cluster import driver, remote
from sr4k.errors import InputError


class _Gone:
    """A pool in a bucket whose server goes away."""

    def keys(self) -> set[str]:
        return set()

    def leave(self, name: str, content: str) -> None:
        """Do nothing."""

    def take_away(self, name: str) -> None:
        raise InputError(f"{name} can't be deleted.")


def test_an_error_is_told_rather_than_that_of_clearing_up_after_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    work = SimpleNamespace(
        pool=tmp_path, token=("token", "text"), job=SimpleNamespace(preset=SimpleNamespace(engine=None))
    )
    planned = SimpleNamespace(keys=("key",))

    @contextmanager
    def connected(_request: Any) -> Any:
        raise InputError("the cause")
        yield

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(driver, "_planned", lambda _request: (work, planned, (object(),)))
    monkeypatch.setattr(driver, "pool_at", lambda _folder: _Gone())
    monkeypatch.setattr(driver, "lent", lambda *_given: ())
    monkeypatch.setattr(driver, "replace", lambda given, **_changes: given)
    monkeypatch.setattr(remote, "connected", connected)
    with pytest.raises(InputError, match="the cause"):
        driver._drive(SimpleNamespace(empty=tmp_path), SimpleNamespace(send=lambda _message: None))  # type: ignore[arg-type]
