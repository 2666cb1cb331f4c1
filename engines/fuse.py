"""Fusion of a folded network into few launches: sums of convolutions with everything up to the next rounding.

The network's structure is evaluated with lazy values, which only record their terms. Rounding a value turns it into a
launch, so additions, ReLUs and roundings never cost a pass over memory.
"""

from dataclasses import dataclass, replace

from sr4k.errors import InternalError
from sr4k.models.folded_network import FoldedNetwork
from sr4k.models.quantize import QuantizedNetwork, folded_of


@dataclass(frozen=True, slots=True)
class PlaneRef:
    """An input plane: 0 is luma, 1 chroma. ``codes``: its values minus 128 are read."""

    number: int
    codes: bool = False


@dataclass(frozen=True, slots=True)
class MapRef:
    """A feature map in memory: index of the launch that writes it, and the factor of its stored numbers."""

    launch: int
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Term:
    """A convolution, by name, of a plane or a map."""

    conv: str
    source: PlaneRef | MapRef


@dataclass(frozen=True, slots=True)
class Launch:
    """A sum of convolutions and at most one map.

    Attributes:
        terms: the convolutions.
        skip: map that is added.
        relu: whether the sum is rectified.
        scale: of the map that is written; ``None`` if sub-pixels of the output are written.
        beyond: how far sub-pixels may go beyond the range of luma around them, in code values; ``None``: no bounds.
    """

    terms: tuple[Term, ...]
    skip: MapRef | None = None
    relu: bool = False
    scale: float | None = None
    beyond: float | None = None

    @property
    def of_map(self) -> Term | None:
        """The convolution that reads a map, if there is one."""
        return next((term for term in self.terms if isinstance(term.source, MapRef)), None)

    @property
    def of_planes(self) -> tuple[Term, ...]:
        """The convolutions that read planes."""
        return tuple(term for term in self.terms if isinstance(term.source, PlaneRef))


def fuse(network: FoldedNetwork | QuantizedNetwork) -> list[Launch]:
    """Return the launches in order; the last ones write the network's outputs, in the order of the outputs.

    Raises:
        InternalError: the network's structure has a step that no kernel computes.
    """
    ops = _Recorder(network)
    planes = (PlaneRef(0), PlaneRef(1)) if ops.network.yuv else (PlaneRef(0),)
    for output in ops.network.structure(ops, planes):
        ops.launches.append(output)
    return ops.launches


_Value = PlaneRef | MapRef | Launch


class _Recorder:
    """`sr4k.models.folded_network.Ops` on lazy values."""

    def __init__(self, network: FoldedNetwork | QuantizedNetwork) -> None:
        self.network = folded_of(network)
        self._scales = network.input_scales if isinstance(network, QuantizedNetwork) else None
        self.launches: list[Launch] = []

    def conv(self, name: str, x: _Value) -> Launch:
        if isinstance(x, Launch):
            raise InternalError(f"{name} reads a value that is not in memory")
        return Launch((Term(name, x),))

    def quantise(self, name: str, x: _Value) -> PlaneRef | MapRef:
        if isinstance(x, PlaneRef):
            return replace(x, codes=self._scales is not None)
        if isinstance(x, MapRef):
            raise InternalError(f"{name} rounds a map a second time")
        scale = 1.0 if self._scales is None else self._scales[name]
        self.launches.append(replace(x, scale=scale))
        return MapRef(len(self.launches) - 1, scale)

    def add(self, a: _Value, b: _Value) -> Launch:
        if not isinstance(a, Launch) or isinstance(b, PlaneRef) or a.relu:
            raise InternalError("no kernel computes this sum")
        if isinstance(b, MapRef):
            return replace(a, skip=b)
        return replace(a, terms=a.terms + b.terms, skip=a.skip or b.skip)

    def relu(self, x: _Value, basis: str) -> Launch:
        if not isinstance(x, Launch):
            raise InternalError(f"{basis} rectifies a value that no convolution computes")
        rounding_does = self._scales is not None and basis in self.network.rectified
        return x if rounding_does else replace(x, relu=True)

    def within(self, x: _Value, picture: _Value, beyond: float) -> Launch:
        if not isinstance(x, Launch) or picture != PlaneRef(0):
            raise InternalError("no kernel bounds this value")
        return replace(x, beyond=beyond)
