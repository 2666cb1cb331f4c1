"""What to do when the machine can't upscale every picture in time: less for a picture first, then fewer pictures.

The rungs of the ladder are climbed by what pictures were measured to cost, not by trial: a rung is taken that should
leave some room, and one is left again only when the next should leave more.
"""

import logging
from dataclasses import dataclass
from typing import Literal

log = logging.getLogger(__name__)

Treatment = Literal["network", "plain", "skip"]
"""Through the network, enlarged by bicubic interpolation, or left out."""


@dataclass(frozen=True, slots=True)
class Rung:
    """Of all pictures, one in ``kept`` is shown; of those, one in ``through`` (0: none) goes through the network."""

    name: str
    through: int
    kept: int = 1


RUNGS = (
    Rung("every picture through the network", 1),
    Rung("every 2nd picture through the network", 2),
    Rung("every 4th picture through the network", 4),
    Rung("no picture through the network", 0),
    Rung("every 2nd picture, without the network", 0, 2),
    Rung("every 4th picture, without the network", 0, 4),
)

_EVERY = 1.0
"""Seconds between two looks."""

_FULL = 0.9
"""Share of the time that pictures may take on a rung that is stepped down to."""

_ROOM = 0.75
"""The same of a rung that is stepped up to."""

_PATIENCE = 5.0
"""Seconds for which there must have been room before a step up; twice as long after each one that did not hold."""

_LONGEST = 300.0
"""Seconds: patience at its most."""

_SOON = 20.0
"""Seconds within which a step down shows that the step up before it did not hold."""

_LATE_SHARE = 0.02
"""Of the pictures, late: more mean that the rate is not held."""

_SETTLING = 2.0
"""Seconds after a step in which pictures that waited before it may still be late."""

_FADING = 0.98
"""What is left each look of the cost of a treatment that is not in use: what it was tells less and less."""

_AVERAGED = 8
"""Pictures over which a cost is averaged, about."""


class Governor:
    """Says what to do with each picture, and learns from what it cost.

    Args:
        now: seconds on any clock that does not jump, the one of all later calls.
    """

    def __init__(self, now: float) -> None:
        self.rung = 0
        self.steps = 0
        self._costs: dict[Treatment, float] = {}
        self._faded = False  # whether the network's cost is an old one
        self._turn = 0
        self._rate = 0.0
        self._looked = now
        self._came = self._late = 0
        self._busy = 0.0
        self._roomy: float | None = None  # since when there has been room for a step up
        self._stepped_up = self._stepped = float("-inf")
        self._patience = _PATIENCE

    @property
    def name(self) -> str:
        """Of the rung."""
        return RUNGS[self.rung].name

    def treatment(self) -> Treatment:
        """What to do with the picture that comes now, in time."""
        rung, turn = RUNGS[self.rung], self._turn
        self._turn += 1
        self._came += 1
        if turn % rung.kept:
            return "skip"
        return "network" if rung.through and turn // rung.kept % rung.through == 0 else "plain"

    def late(self) -> None:
        """A picture came, and was too old to be of use."""
        self._came += 1
        self._late += 1

    def took(self, treatment: Treatment, seconds: float, now: float) -> None:
        """What a picture cost, waiting for room behind it included."""
        self._busy += seconds
        tried = treatment == "network" and self._faded
        self._faded = self._faded and not tried
        known = seconds if tried else self._costs.get(treatment, seconds)
        self._costs[treatment] = known + (seconds - known) / _AVERAGED
        if tried and self._predicted(self.rung, self._rate) > 1:
            self._step_down(self._rate, now)

    def look(self, now: float) -> None:
        """Step up or down if it is time to."""
        span = now - self._looked
        if span < _EVERY:
            return
        rate = self._rate = self._came / span
        late, load = self._late, self._busy / span
        held = late <= _LATE_SHARE * self._came
        self._looked, self._came, self._late, self._busy = now, 0, 0, 0.0
        if not RUNGS[self.rung].through and "network" in self._costs:
            self._costs["network"] *= _FADING
            self._faded = True
        if not rate or now - self._stepped < _SETTLING:
            return
        if not held and load > _FULL / 2:  # else something else kept pictures back
            self._step_down(rate, now)
        elif self.rung and held and self._predicted(self.rung - 1, rate) <= _ROOM:
            self._roomy = now if self._roomy is None else self._roomy
            if now - self._roomy >= self._patience:
                self._step_up(now)
        else:
            self._roomy = None

    def _step_down(self, rate: float, now: float) -> None:
        if self.rung == len(RUNGS) - 1:
            return
        lasted = now - self._stepped_up
        if lasted < _SOON:
            self._patience = min(_LONGEST, 2 * self._patience)
        elif lasted > _LONGEST:
            self._patience = _PATIENCE
        fits = (k for k in range(self.rung + 1, len(RUNGS)) if self._predicted(k, rate) <= _FULL)
        self._step(next(fits, len(RUNGS) - 1) if "plain" in self._costs else self.rung + 1, now)
        log.warning("The machine can't hold the rate: %s from now on.", self.name, extra={"event": "ladder"})

    def _step_up(self, now: float) -> None:
        self._stepped_up = now
        self._step(self.rung - 1, now)
        log.warning("There is room again: %s from now on.", self.name, extra={"event": "ladder"})

    def _step(self, rung: int, now: float) -> None:
        self.rung, self._stepped = rung, now
        self.steps += 1
        self._roomy = None

    def _predicted(self, number: int, rate: float) -> float:
        """Share of the time that pictures would take on this rung; costs not known yet count as nothing."""
        rung = RUNGS[number]
        share = 1 / rung.through if rung.through else 0.0
        network, plain = self._costs.get("network", 0.0), self._costs.get("plain", 0.0)
        return rate / rung.kept * (share * network + (1 - share) * plain)
