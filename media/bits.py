"""Reads fields of codec headers bit by bit."""


class DamagedError(ValueError):
    """A field of a header is cut off or out of its range."""


class Bits:
    """Reads bits from the first of some bytes on, in the notation of ITU-T H.264 and H.265.

    Args:
        data: the bytes.
    """

    def __init__(self, data: bytes) -> None:
        self._bits = "".join(f"{byte:08b}" for byte in data)
        self._at = 0

    def skip(self, count: int) -> None:
        """Pass over bits, which need not exist."""
        self._at += count

    def number(self, count: int) -> int:
        """Return an unsigned number of ``count`` bits, u(n); 0 if that is none.

        Raises:
            DamagedError: there are fewer bits.
        """
        end = self._at + count
        if end > len(self._bits):
            raise DamagedError
        found, self._at = self._bits[self._at : end], end
        return int(found, 2) if found else 0

    def flag(self) -> bool:
        """Return one bit, u(1).

        Raises:
            DamagedError: there is none.
        """
        return self.number(1) == 1

    def golomb(self, most: int = 2**32 - 2) -> int:
        """Return an unsigned Exp-Golomb number, ue(v).

        Raises:
            DamagedError: it is cut off or more than ``most``.
        """
        one = self._bits.find("1", self._at)
        zeros = one - self._at
        if one < 0 or zeros > 32:
            raise DamagedError
        self._at = one
        found = self.number(zeros + 1) - 1
        if found > most:
            raise DamagedError
        return found

    def signed(self) -> int:
        """Return a signed Exp-Golomb number, se(v).

        Raises:
            DamagedError: it is cut off.
        """
        found = self.golomb()
        return (found + 1) // 2 if found % 2 else -(found // 2)
