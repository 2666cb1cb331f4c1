"""Write headers of HEVC with features that no encoder at hand uses (ITU-T H.265, 7.3)."""

import random
import re

VPS, SPS, PPS, IDR, CRA = 32, 33, 34, 20, 21


class Writer:
    """Writes fields of headers."""

    def __init__(self) -> None:
        self.bits = ""

    def u(self, width: int, value: int) -> int:
        self.bits += f"{value:0{width}b}" if width else ""
        return value

    def ue(self, value: int) -> int:
        coded = f"{value + 1:b}"
        self.bits += "0" * (len(coded) - 1) + coded
        return value

    def se(self, value: int) -> int:
        self.ue(2 * value - 1 if value > 0 else -2 * value)
        return value

    def unit(self, kind: int, *, end: bytes = b"") -> bytes:
        """The NAL unit with what was written, and with start codes prevented."""
        bits = self.bits + "1"
        bits += "0" * (-len(bits) % 8)
        payload = int(bits, 2).to_bytes(len(bits) // 8, "big") + end
        return bytes([kind << 1, 1]) + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", payload)


class MadeStream:
    """A sequence with features by chance, as no encoder at hand has all of them."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.flip = lambda: self.dice.randrange(2)
        self.reference_sets: list[list[int]] = []

    def sets(self) -> list[bytes]:
        """New parameter sets."""
        return [self.video(), self.sequence(), self.parameters()]

    def video(self) -> bytes:
        """A video parameter set, which libav's parser asks for."""
        w = Writer()
        w.u(4, 0)
        w.u(2, 3)
        w.u(6, 0)
        self.layers = w.u(3, self.dice.randrange(3))
        w.u(1, 1)
        w.u(16, 0xFFFF)
        self.profiles(w)
        w.u(1, 0)
        for value in (6, 2, 0):
            w.ue(value)
        w.u(6, 0)
        w.ue(0)
        w.u(2, 0)
        return w.unit(VPS)

    def profiles(self, w: Writer) -> None:
        w.u(8, 4)  # range extensions, the profile with all chroma formats
        w.u(32, 1 << 27)
        w.u(48, 0)
        w.u(8, 93)
        present = [(w.u(1, self.flip()), w.u(1, self.flip())) for _ in range(self.layers)]
        w.u(2 * (8 - self.layers) if self.layers else 0, 0)
        for profile, level in present:
            w.u(88 * profile + 8 * level, 0)

    def sequence(self) -> bytes:
        w, flip, pick = Writer(), self.flip, self.dice.randrange
        w.u(4, 0)
        layers = w.u(3, self.layers)
        w.u(1, 1)
        self.profiles(w)
        w.ue(0)
        self.chroma = w.ue(pick(4))
        self.separate = w.u(1, flip()) if self.chroma == 3 else 0
        w.ue(256)
        w.ue(192)
        if w.u(1, flip()):
            for _ in range(4):
                w.ue(pick(3))
        w.ue(pick(3))
        w.ue(0)
        self.order_bits = 4 + w.ue(pick(9))
        for _ in range(layers + 1 if w.u(1, flip()) else 1):
            w.ue(6)
            w.ue(2)
            w.ue(0)
        w.ue(0)
        w.ue(1)  # blocks of 16 x 16: 192 of them, 8 bits
        w.ue(0)
        w.ue(2)
        w.ue(1)
        w.ue(1)
        if w.u(1, flip()) and w.u(1, flip()):
            self.scaling_lists(w)
        w.u(1, 0)
        self.sao = w.u(1, flip())
        if w.u(1, flip()):
            w.u(8, 0x77)
            w.ue(0)
            w.ue(1)
            w.u(1, 0)
        self.count = w.ue(pick(5))
        self.reference_sets = []
        for _ in range(self.count):
            self.reference_sets.append(self.references(w))
        self.long_term = w.u(1, flip())
        self.known = w.ue(pick(4)) if self.long_term else 0
        for _ in range(self.known):
            w.u(self.order_bits, pick(2**self.order_bits))
            w.u(1, 1)
        self.motion = w.u(1, flip())
        w.u(3, 0)
        return w.unit(SPS)

    def scaling_lists(self, w: Writer) -> None:
        for size in range(4):
            for matrix in range(0, 6, 3 if size == 3 else 1):
                if not w.u(1, self.flip()):
                    w.ue(0 if matrix == 0 else self.flip())
                    continue
                if size > 1:
                    w.se(3)
                for number in range(min(64, 16 << 2 * size)):
                    w.se(1 if number < 4 else 0)

    def references(self, w: Writer) -> list[int]:
        """Write a set of short-term references; return their distances."""
        pick, at = self.dice.randrange, len(self.reference_sets)
        if at and w.u(1, self.flip()):
            back = 1 + (w.ue(pick(at)) if at == self.count else 0)
            sign = w.u(1, self.flip())
            shift = (1 + w.ue(pick(3))) * (-1 if sign else 1)
            found = []
            for each in [*self.reference_sets[at - back], 0]:
                is_kept = len(found) < 4
                if w.u(1, self.flip() if is_kept else 0) or w.u(1, self.flip() if is_kept else 0):
                    found.append(each + shift)
            return sorted((d for d in found if d < 0), reverse=True) + sorted(d for d in found if d > 0)
        counts, found = (w.ue(pick(3)), w.ue(pick(3))), []
        for count, sign in zip(counts, (-1, 1), strict=True):
            delta = 0
            for _ in range(count):
                delta += sign * (1 + w.ue(pick(3)))
                w.u(1, self.flip())
                found.append(delta)
        return found

    def parameters(self) -> bytes:
        w, flip = Writer(), self.flip
        w.ue(0)
        w.ue(0)
        self.dependent, self.output = w.u(1, flip()), w.u(1, flip())
        self.extra = w.u(3, self.dice.randrange(3))
        w.u(2, 3)
        w.ue(0)
        w.ue(2)
        self.start = w.se(self.dice.randrange(-10, 11))
        w.u(2, 0)
        if w.u(1, flip()):
            w.ue(1)
        w.se(-1)
        w.se(2)
        w.u(6, 0)
        w.u(4, 0)  # loop filter across slices, deblocking, scaling lists, lists_modification
        w.ue(0)
        w.u(2, 0)
        return w.unit(PPS)

    def slice(self, kind: int, number: int) -> bytes:
        w, pick = Writer(), self.dice.randrange
        w.u(1, number == 0)
        w.u(1, 0)
        w.ue(0)
        if number:
            if self.dependent and w.u(1, number % 2):
                w.u(8, number)
                return w.unit(kind, end=bytes([self.dice.randrange(1, 256) for _ in range(40)]))
            w.u(8, number)
        w.u(self.extra, 0)
        w.ue(2)
        w.u(self.output, 1)
        w.u(2 * self.separate, 0)
        if kind == CRA:
            w.u(self.order_bits, pick(2**self.order_bits))
            if w.u(1, self.flip() if self.count else 0):
                w.u((self.count - 1).bit_length(), pick(self.count))
            else:
                self.references(w)
            if self.long_term:
                known = w.ue(pick(2)) if self.known else 0
                own = w.ue(pick(3))
                for each in range(known + own):
                    if each < known:
                        w.u((self.known - 1).bit_length(), 0)
                    else:
                        w.u(self.order_bits + 1, 1)
                    if w.u(1, self.flip()):
                        w.ue(each + 1)
            w.u(self.motion, 1)
        if self.sao:
            w.u(1, 1)
            w.u(1 if self.chroma and not self.separate else 0, 1)
        w.se(pick(-9, 10))
        return w.unit(kind, end=bytes([self.dice.randrange(1, 256) for _ in range(40)]))


def hvcc(units: list[bytes], *, length: int) -> bytes:
    """``HEVCDecoderConfigurationRecord`` with these parameter sets."""
    arrays = b"".join(
        bytes([unit[0] >> 1]) + (1).to_bytes(2, "big") + len(unit).to_bytes(2, "big") + unit for unit in units
    )
    return b"\1" + bytes(20) + bytes([0xFC | length - 1, len(units)]) + arrays


def annex_b(units: list[bytes]) -> bytes:
    return b"".join(b"\0\0\0\1" + unit for unit in units)


def with_length(unit: bytes, *, length: int) -> bytes:
    return len(unit).to_bytes(length, "big") + unit
