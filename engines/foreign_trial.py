"""Find out about a foreign network in a process of its own: files that people pass around may crash or fill a machine.

This file is light to import; what the process does is in `sr4k.engines.foreign_probe`.
"""

import json
import os
import pickle
import select
import signal
from dataclasses import replace
from pathlib import Path

from sr4k.errors import EngineError, InputError, OptionError
from sr4k.models.catalogue import foreign
from sr4k.models.foreign import store
from sr4k.models.foreign.card import Card, read_card
from sr4k.pipeline.spawning import spawn

_LIMIT = 1800.0
"""Seconds that the process may take."""

_PROBE = "sr4k.engines.foreign_probe"


def probed(path: Path, made: Path | None = None) -> Card:
    """Return what is known of a network's file, after running it.

    Args:
        path: an ONNX file, or a checkpoint of PyTorch's: ``.pth``, ``.pt``, ``.ckpt`` or ``.safetensors``.
        made: file to write the network to, as ONNX in one piece; the weights of a checkpoint are written beside it.
            ``None``: the file has to be that.

    Raises:
        OptionError: it is no network that can be used; the message says why.
        EngineError: the process can't be started, or ends without an answer.
    """
    answers, theirs = os.pipe()
    try:
        process, pipe = spawn(_PROBE, "test of a network", fds=(theirs,), apart=True)
    except OSError as err:
        os.close(answers)
        raise EngineError(f"{path} can't be tested: no process can be started ({err.strerror}).") from err
    finally:
        os.close(theirs)
    with pipe, os.fdopen(answers, "rb") as answer:
        try:
            pickle.dump((str(path), None if made is None else str(made), theirs), pipe)
            pipe.flush()
            answered = bool(select.select([answer], [], [], _LIMIT)[0])
            found = answer.read() if answered else b""
        except BrokenPipeError:
            answered, found = True, b""
        finally:
            process.kill()
            code = process.wait()
    if not found:
        raise OptionError(
            f"{path} can't be used: {_end(code) if answered else f'its test takes longer than {_LIMIT:.0f} s'}."
        )
    told = json.loads(found)
    if "trouble" in told:
        raise OptionError(told["trouble"])
    return read_card(told["card"], str(path))


def _end(code: int) -> str:
    if code == -signal.SIGXCPU:
        return "its test takes too much CPU time"
    return f"its test crashes ({signal.Signals(-code).name})" if code < 0 else f"its test ends with exit code {code}"


def added(path: Path, name: str, *, source: str = "", licence: str = "") -> store.Foreign:
    """Test a network, and add it to the user's under a name.

    Args:
        path: see `probed`.
        name: of the network; it must be free.
        source: where it comes from, for the card.
        licence: its terms, for the card.

    Raises:
        InputError: there is no such file.
        OptionError: it can't be used, or is of no kind that is known, or the name is taken.
        EngineError: the test can't be made.
        OutputError: it can't be written.
    """
    check_file(path)
    store.check_unused(name)
    with store.new_files() as folder:
        beside = folder / f"{name}{store.SUFFIX}"
        card = probed(path, beside)
        card = replace(
            card, original=path.name, original_sha256=store.hash_of_file(path), source=source, licence=licence
        )
        store.keep(name, beside, card)
    found = store.find(name)
    assert found is not None
    return found


def check_file(path: Path) -> None:
    """Check that a file is there, and that its name is that of a network.

    Raises:
        InputError: there is no such file.
        OptionError: its name ends otherwise.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist, or is no file.")
    if path.suffix.lower() not in (kinds := (store.SUFFIX, *store.CHECKPOINTS)):
        raise OptionError(f"{path} is no network: its name must end in {', '.join(kinds[:-1])} or {kinds[-1]}.")


def known(name: str) -> store.Foreign | None:
    """Return a network of the user's; one that is named by its path is tested if that was not done before.

    Raises:
        OptionError: it can't be used.
        EngineError: the test can't be made.
        OutputError: what was found can't be kept.
    """
    found = foreign(name)
    if found is None and store.is_path(name):
        store.keep_card(probed(Path(name)))
        found = foreign(name)
    return found
