"""Graceful degradation when the machine can't upscale every frame in time: first cheaper frames, then fewer.

Rungs of the ladder are chosen by the measured cost of frames, not by trial: a step down goes to a rung whose predicted
load leaves some headroom, and a step up is made only when the rung above would leave more.
"""

import logging
from dataclasses import dataclass, replace
from typing import Literal

log = logging.getLogger(__name__)

Treatment = Literal["network", "once", "light", "plain", "skip"]
"""Treatment of a frame: through the network, as often as the size of the output needs it; through the network once,
where it needs it twice; through the smaller network, once; enlarged by bicubic interpolation; or dropped."""


@dataclass(frozen=True, slots=True)
class Rung:
    """A rung: one in ``kept`` frames is shown, and one in ``through`` of those (0: none) goes through the network.

    ``by`` is the treatment of those that do.
    """

    name: str
    through: int
    kept: int = 1
    by: Treatment = "network"


RUNGS = (
    Rung("every picture through the network", 1),
    Rung("every 2nd picture through the network", 2),
    Rung("every 4th picture through the network", 4),
    Rung("no picture through the network", 0),
    Rung("every 2nd picture, without the network", 0, 2),
    Rung("every 4th picture, without the network", 0, 4),
)

_THROUGH_THE_NETWORK = 3
"""Number of the first rungs that use the network."""


def rungs_for(*, twice: bool = False, light: bool = False) -> tuple[Rung, ...]:
    """Return the rungs, the best picture first.

    Args:
        twice: whether the size of the output takes two passes through the network.
        light: whether there is a smaller network.
    """
    best, *fewer = RUNGS[:_THROUGH_THE_NETWORK]
    found = [best]
    if twice:
        found = [Rung("every picture twice through the network", 1), _once(best)]
        fewer = [_once(rung) for rung in fewer]
    if light:
        fewer = [_lightly(rung) for rung in RUNGS[:_THROUGH_THE_NETWORK]]
    return (*found, *fewer, *RUNGS[_THROUGH_THE_NETWORK:])


def _once(rung: Rung) -> Rung:
    return replace(rung, name=rung.name.replace("picture through", "picture once through"), by="once")


def _lightly(rung: Rung) -> Rung:
    return replace(rung, name=rung.name.replace("the network", "the smaller network"), by="light")


_EVERY = 1.0
"""Interval of decisions, in seconds."""

_FULL = 0.9
"""Maximum predicted load, as a share of the time, of a rung to step down to."""

_ROOM = 0.75
"""Maximum predicted load of a rung to step up to."""

_PATIENCE = 5.0
"""Seconds of sufficient headroom before a step up; doubled after each step up that failed."""

_LONGEST = 300.0
"""Upper limit of these seconds."""

_SOON = 20.0
"""Seconds within which a step down means that the step up before it failed."""

_LATE_SHARE = 0.02
"""Share of late frames above which the machine is too slow."""

_SETTLING = 2.0
"""Seconds after a step during which frames that queued before it may still be late."""

_FADING = 0.98
"""Factor per decision on the known cost of the unused network: an old measurement counts less and less."""

_AVERAGED = 8
"""Approximate number of frames that a cost is averaged over."""


class Governor:
    """Chooses the treatment of each frame by the measured costs.

    Args:
        now: monotonic time in seconds, on the same clock as in all later calls.
        twice, light: see `rungs_for`.
    """

    def __init__(self, now: float, *, twice: bool = False, light: bool = False) -> None:
        self._rungs = rungs_for(twice=twice, light=light)
        self.rung = 0
        self.steps = 0
        self._costs: dict[Treatment, float] = {}
        self._faded: set[Treatment] = set()  # whose cost is an old measurement
        self._pinned = False
        self._turn = 0
        self._rate = 0.0
        self._looked = now
        self._came = self._late = 0
        self._busy = 0.0
        self._short = False  # whether time was short when it looked last, for late frames
        self._roomy: float | None = None  # since when there is headroom for a step up
        self._stepped_up = self._stepped = float("-inf")
        self._patience = _PATIENCE

    @property
    def name(self) -> str:
        """Description of the present rung."""
        return self._rungs[self.rung].name

    @property
    def names(self) -> tuple[str, ...]:
        """Descriptions of all rungs."""
        return tuple(rung.name for rung in self._rungs)

    @property
    def pinned(self) -> bool:
        """Whether it stays at its rung."""
        return self._pinned

    def pin(self, rung: int | None, now: float) -> None:
        """Go to a rung, the last one if there are fewer, and stay there; ``None``: choose by the costs again."""
        was, self._pinned = self._pinned, rung is not None
        if rung is not None:
            self._step(min(rung, len(self._rungs) - 1), now)
            log.warning("Pinned by an operator: %s from now on.", self.name, extra={"event": "ladder"})
        elif was:
            log.warning("No longer pinned: the machine's speed decides again.", extra={"event": "ladder"})

    def treatment(self) -> Treatment:
        """Return the treatment of the next frame, which is in time."""
        rung, turn = self._rungs[self.rung], self._turn
        self._turn += 1
        self._came += 1
        if turn % rung.kept:
            return "skip"
        return rung.by if rung.through and turn // rung.kept % rung.through == 0 else "plain"

    def late(self) -> None:
        """Count a frame that was dropped because it was too old."""
        self._came += 1
        self._late += 1

    def took(self, treatment: Treatment, seconds: float, now: float) -> None:
        """Record the seconds that a frame took, including the wait for a free slot behind it."""
        self._busy += seconds
        tried = treatment in self._faded
        self._faded.discard(treatment)
        known = seconds if tried else self._costs.get(treatment, seconds)
        self._costs[treatment] = known + (seconds - known) / _AVERAGED
        if tried and self._predicted(self.rung, self._rate) > 1:
            self._step_down(self._rate, now)

    def look(self, now: float) -> None:
        """Step up or down if due. Cheap enough to call for every frame."""
        span = now - self._looked
        if span < _EVERY:
            return
        rate = self._rate = self._came / span
        late, load = self._late, self._busy / span
        held = late <= _LATE_SHARE * self._came
        self._looked, self._came, self._late, self._busy = now, 0, 0, 0.0
        self._fade()
        if not rate or self._pinned or now - self._stepped < _SETTLING:
            return
        was_short, self._short = self._short, not held and load > _FULL / 2  # else something else delayed frames
        if self._short and (load > _FULL or was_short):  # a single halt, as for a process that starts, is no measure
            self._step_down(rate, now)
        elif self.rung and held and self._predicted(self.rung - 1, rate) <= _ROOM:
            self._roomy = now if self._roomy is None else self._roomy
            if now - self._roomy >= self._patience:
                self._step_up(now)
        else:
            self._roomy = None

    def _fade(self) -> None:
        """Let the known costs of passes through the network fade that the present rung does without."""
        rung = self._rungs[self.rung]
        for treatment in {each.by for each in self._rungs} & {*self._costs}:
            if not rung.through or treatment != rung.by:
                self._costs[treatment] *= _FADING
                self._faded.add(treatment)

    def _step_down(self, rate: float, now: float) -> None:
        last = len(self._rungs) - 1
        if self.rung == last or self._pinned:
            return
        lasted = now - self._stepped_up
        if lasted < _SOON:
            self._patience = min(_LONGEST, 2 * self._patience)
        elif lasted > _LONGEST:
            self._patience = _PATIENCE
        fits = (k for k in range(self.rung + 1, last + 1) if self._predicted(k, rate) <= _FULL)
        self._step(next(fits, last) if "plain" in self._costs else self.rung + 1, now)
        log.warning("The machine can't keep up: %s from now on.", self.name, extra={"event": "ladder"})

    def _step_up(self, now: float) -> None:
        self._stepped_up = now
        self._step(self.rung - 1, now)
        log.warning("The machine has headroom again: %s from now on.", self.name, extra={"event": "ladder"})

    def _step(self, rung: int, now: float) -> None:
        self.steps += rung != self.rung
        self.rung, self._stepped = rung, now
        self._roomy, self._short = None, False

    def _predicted(self, number: int, rate: float) -> float:
        """Return the predicted load of a rung, as a share of the time; unknown costs count as 0."""
        rung = self._rungs[number]
        share = 1 / rung.through if rung.through else 0.0
        network, plain = self._costs.get(rung.by, 0.0), self._costs.get("plain", 0.0)
        return rate / rung.kept * (share * network + (1 - share) * plain)
