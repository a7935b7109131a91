"""Rounds, medians and the time that is left: what all parts of the GPU benchmark share."""

import statistics
import time
from collections.abc import Callable

MIN_ROUNDS = 5
TERA = 1e12
GIGA = 1e9


class Budget:
    """Seconds since the start, against those that the whole run may take."""

    def __init__(self, seconds: float) -> None:
        self.total_seconds = seconds
        self.begin = time.monotonic()

    def spent(self) -> float:
        return time.monotonic() - self.begin

    def past(self, fraction: float) -> bool:
        return self.spent() > fraction * self.total_seconds


def summarize(rounds: list[float]) -> dict:
    """`rounds`: seconds of one run or call, of each round. `spread`: max - min over median."""
    median = statistics.median(rounds)
    spread = (max(rounds) - min(rounds)) / median if median > 0 else 0.0
    return {"rounds": rounds, "median": median, "spread": spread}


def describe(error: BaseException) -> dict:
    text = str(error).strip() or "no message"
    return {"error": f"{type(error).__name__}: {text[:600]}"}


def alternate(sides: dict[str, Callable[[], float]], rounds: int) -> dict[str, dict]:
    """Runs the sides in turn, `rounds` times. A side that fails is left out of later rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    failed: dict[str, dict] = {}
    for _ in range(rounds):
        for name, measure in sides.items():
            if name in failed:
                continue
            try:
                seconds[name].append(measure())
            except Exception as error:
                failed[name] = describe(error)
    return {name: failed.get(name) or summarize(seconds[name]) for name in sides}


def prepare(sides: dict, name: str, make: Callable[[], Callable[[], float]], failed: dict) -> None:
    """Adds a side, or what kept it from being made to `failed`."""
    try:
        sides[name] = make()
    except Exception as error:
        failed[name] = describe(error)


def ratio(results: dict[str, dict], other: str, ours: str) -> float | None:
    """How many times as fast ours is; None when one of the two has no time."""
    theirs, own = (results.get(name, {}).get("median") for name in (other, ours))
    return theirs / own if theirs and own else None


def errors_in(results: dict[str, dict], where: str) -> list[str]:
    return [f"{where}, {name}: {side['error']}" for name, side in results.items()
            if "error" in side]


def show(value: float | None, form: str = "{:.2f}") -> str:
    return "-" if value is None else form.format(value)
