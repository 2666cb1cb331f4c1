"""Networks that the user brought: their files go to the machines by the pool, each named and checked by its hash."""

from dataclasses import dataclass
from pathlib import Path

from sr4k.common.file_hash import sha256_of
from sr4k.configs import EnginePreset
from sr4k.errors import OptionError, OutputError
from sr4k.media.resume.bucket_pool import BucketPool
from sr4k.media.resume.pool import Pool
from sr4k.models import catalogue
from sr4k.models.foreign import store
from sr4k.models.foreign.card import read_card


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network that the user brought. ``name``: by which the job has it; ``card``: the text of its card."""

    name: str
    sha256: str
    card: str

    @property
    def file(self) -> str:
        """Name of its file in the pool."""
        return f"{self.sha256}{store.SUFFIX}"


def lent(engine: EnginePreset, pool: Pool | BucketPool) -> tuple[Network, ...]:
    """Put the files of a job's networks into its pool, and return what the machines have to know of them.

    Raises:
        OptionError: a network can't be used any more.
        OSError: the pool can't be written.
    """
    found = []
    for name in engine.chain:
        if (foreign := catalogue.foreign(name)) is not None:
            found.append(Network(name=name, sha256=foreign.card.sha256, card=foreign.card.to_toml()))
            pool.lend(found[-1].file, foreign.path)
    return tuple(found)


def borrowed(engine: EnginePreset, networks: tuple[Network, ...], pool: Pool | BucketPool) -> EnginePreset:
    """Return the section of a preset with the networks that this machine has of them; it fetches those that it lacks.

    Raises:
        OutputError: a file is not the one that was put, or can't be kept here.
        OSError: the pool can't be read.
    """
    here = {each.name: _path_here(each, pool) for each in networks}
    return engine.model_copy(update={"model": "+".join(here.get(name, name) for name in engine.chain)})


def _path_here(network: Network, pool: Pool | BucketPool) -> str:
    """Return the path of a network's file in the user's folder of this machine."""
    card_file = store.card_of_hash(network.sha256)
    path = card_file.with_suffix(store.SUFFIX)
    try:
        is_there = store.hash_of_file(path) == network.sha256
    except OptionError:
        is_there = False
    if not is_there:
        path.parent.mkdir(parents=True, exist_ok=True)
        pool.fetch(network.file, path, lambda fetched: _check(fetched, network))
    if not card_file.exists():
        store.keep_card(read_card(network.card, network.name))
    return str(path)


def _check(fetched: Path, network: Network) -> None:
    if sha256_of(fetched) != network.sha256:
        raise OutputError(f"The file of the network {network.name} has changed since the job began.")
