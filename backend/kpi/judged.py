"""Each figure with its unit, its target, the verdict, and a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alarm_engine.model.times import NANOS_PER_SECOND, Nanos, iso
from backend.kpi.definitions import DAY_NS, HOUR_NS, LOST, PERIOD_NS, SEVERITIES
from backend.kpi.floods import Flood
from backend.kpi.levels import Levels
from backend.kpi.quantiles import quantile
from backend.kpi.ranking import TOP, frequent
from backend.kpi.summary import Level
from backend.kpi.tally import Selection, Tally, periods_touched
from backend.kpi.targets import Target, Verdict

ENOUGH_FOR_TOP = 200
"""With fewer annunciations ten alarms have more than 5 % whatever is done."""
ENOUGH_FOR_SHARES = 100
"""With fewer of them one alarm is more than 1 %."""
_PRIORITIES = ("low", "medium", "high", "highest")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure."""

    name: str
    """Key in `targets.TARGETS` and in the documentation."""
    title: str
    value: float | None
    """None: not known."""
    unit: str
    target: Target | None
    verdict: Verdict
    text: str
    """A sentence for people."""


class Judge:
    """Makes the figures of one range."""

    def __init__(self, sums: Tally, floods: Sequence[Flood], levels: Levels, fleeting: int, selection: Selection) -> None:
        """`fleeting`: alarms that were, and did not chatter."""
        self._sums = sums
        self._floods = floods
        self._levels = levels
        self._fleeting = fleeting
        self._selection = selection
        self._limits = selection.limits
        self._known = sums.covered_ns > 0
        self._here = {time: count for time, count in sums.counts.items() if count and sums.in_range(time)}

    def all(self) -> tuple[Figure, ...]:
        """In the order of the documentation."""
        return (
            *self._rates(),
            *self._flooded(),
            *self._nuisances(),
            *self._priorities(),
            *self._answers(),
            *self._hidden(),
            *self._apart(),
        )

    def _figure(self, name: str, title: str, unit: str, value: float | None, text: str) -> Figure:
        target = self._limits.targets.get(name)
        if not self._known:
            return Figure(name, title, None, unit, target, Verdict.NONE, "Nothing is known of this range.")
        if value is None or target is None:
            return Figure(name, title, value, unit, target, Verdict.NONE, f"{text}.")
        return Figure(name, title, value, unit, target, target.verdict(value), f"{text}; target: {target.text} ({target.source}).")

    def _unjudged(self, figure: Figure, text: str) -> Figure:
        return Figure(figure.name, figure.title, figure.value, figure.unit, figure.target, Verdict.NONE, text)

    def _rates(self) -> list[Figure]:
        total, covered = self._sums.annunciated, max(1, self._sums.covered_ns)
        hours: Counter[int] = Counter()
        for time, count in self._here.items():
            hours[time // HOUR_NS] += count
        found = [
            self._rate("per_day", "Annunciated per day", DAY_NS, f"{_many(total)} in {_duration(covered)}"),
            self._rate("per_hour", "Annunciated per hour", HOUR_NS, "On average"),
            self._peak("peak_hour", "Most in one hour", {Nanos(hour * HOUR_NS): count for hour, count in hours.items()}),
        ]
        many = self._limits.busy_hour
        busy = [hour for hour, count in hours.items() if count > many]
        text = f"{{}} of {{}} hours had more than {many} alarms"
        found.append(self._part("busy_hours", f"Hours with more than {many}", (len(busy), HOUR_NS), text))
        found.append(self._rate("per_10_min", "Annunciated per 10 minutes", PERIOD_NS, "On average"))
        found.append(self._peak("peak_10_min", "Most in 10 minutes", self._here))
        many = self._limits.flood_begins
        busy = [period for period, count in self._here.items() if count > many]
        text = f"{{}} of {{}} periods of 10 minutes had more than {many} alarms"
        found.append(self._part("busy_periods", f"Periods with more than {many}", (len(busy), PERIOD_NS), text))
        return found

    def _rate(self, name: str, title: str, per_ns: int, text: str) -> Figure:
        value = self._sums.annunciated * per_ns / max(1, self._sums.covered_ns)
        return self._figure(name, title, "alarms", value, f"{text}: {value:,.1f} {title.removeprefix('Annunciated ')}")

    def _peak(self, name: str, title: str, counts: Mapping[Nanos, int]) -> Figure:
        if not counts:
            return self._figure(name, title, "alarms", 0, "No alarm was annunciated")
        at = max(sorted(counts), key=counts.__getitem__)
        return self._figure(name, title, "alarms", counts[at], f"{counts[at]:,} from {iso(at)} on")

    def _part(self, name: str, title: str, busy: tuple[int, int], text: str) -> Figure:
        """Share of periods: how many were busy, and how long each is."""
        number, width = busy
        touched = periods_touched(self._sums.covered, width)
        return self._figure(name, title, "%", 100 * number / max(1, touched), text.format(number, touched))

    def _flooded(self) -> list[Figure]:
        span = self._sums.span
        time = sum(min(flood.end, span.end) - max(flood.start, span.start) for flood in self._floods)
        size = sum(flood.size for flood in self._floods)
        share = 100 * time / max(1, self._sums.covered_ns)
        return [
            self._figure("floods", "Floods", "floods", len(self._floods), f"{_many(len(self._floods), 'flood')} with {_many(size)}"),
            self._figure("flood_time", "Time in flood", "%", share, f"{_duration(time)} in flood, {share:.2f} % of the time"),
        ]

    def _nuisances(self) -> list[Figure]:
        sums, days = self._sums, self._levels.stale_by_day
        most = frequent(sums.alarms)
        share = sum(one.share for one in most) if most else None
        top = self._figure("top_10", "Share of the ten most frequent", "%", share, _top_text(most, share))
        if share is not None and sums.annunciated < ENOUGH_FOR_TOP:
            text = f"Fewer than {ENOUGH_FOR_TOP} alarms: ten of them are more than 5 % whatever is done, so this is not judged."
            top = self._unjudged(top, text)
        worst = max(days, key=lambda day: (days[day], -day), default=None)
        stale = "No alarm stood for more than 24 h" if worst is None else f"{_many(days[worst])} on {iso(worst)[:10]}, the worst day"
        chattering = len(sums.chattering)
        return [
            top,
            self._figure("chattering", "Chattering alarms", "alarms", chattering, f"{_many(chattering)} came three times within a minute"),
            self._figure("fleeting", "Fleeting alarms", "alarms", self._fleeting, f"{_many(self._fleeting)} gone again within 15 s"),
            self._figure("stale", "Stale alarms", "alarms", max(days.values(), default=0), stale),
        ]

    def _priorities(self) -> list[Figure]:
        with_lost = self._selection.lost_connections
        counts = self._sums.severities if with_lost else self._sums.severities[:LOST]
        total = sum(counts)
        found = []
        for number, (name, severity) in enumerate(zip(_PRIORITIES, SEVERITIES, strict=True)):
            title, counted = f"Priority {name}", number < len(counts)
            value = 100 * counts[number] / total if total and counted else None
            text = f"{severity.name}: {counts[number]:,} of {_many(total)}" if counted else "Lost connections are counted apart"
            figure = self._figure(name, title, "%", value, text if total or not counted else "No alarm was annunciated")
            if value is not None and total < ENOUGH_FOR_SHARES:
                figure = self._unjudged(figure, f"{text}: fewer than {ENOUGH_FOR_SHARES} alarms, so this is not judged.")
            found.append(figure)
        return found

    def _answers(self) -> list[Figure]:
        number = sum(self._sums.acknowledged)
        found = []
        for percent, words in ((50, "Half"), (95, "95 %")):
            value = quantile(self._sums.acknowledged, percent / 100)
            text = "No alarm was acknowledged" if value is None else f"{words} of {_many(number)} acknowledged within {_seconds(value)}"
            found.append(
                self._figure(f"acknowledge_p{percent}", f"Time to acknowledge, p{percent}", "s", value, text[0].upper() + text[1:])
            )
        return found

    def _hidden(self) -> list[Figure]:
        levels = self._levels
        shelved, gone = len(levels.shelved), len(levels.out_of_service)
        most_shelved, most_gone = levels.most.get(Level.SHELVED, 0), levels.most.get(Level.OUT_OF_SERVICE, 0)
        return [
            self._figure("shelved", "Shelved", "alarms", shelved, f"{shelved} shelved at the end"),
            self._figure("most_shelved", "Most shelved at a time", "alarms", most_shelved, f"At most {most_shelved} shelved at a time"),
            self._figure("out_of_service", "Out of service", "alarms", gone, f"{gone} out of service at the end"),
            self._figure("most_out_of_service", "Most out of service at a time", "alarms", most_gone, f"At most {most_gone} at a time"),
        ]

    def _apart(self) -> list[Figure]:
        sums = self._sums
        lost, peak = sum(sums.lost.values()), max(sums.lost.values(), default=0)
        among = "counted among the alarms above" if self._selection.lost_connections else "not counted above"
        return [
            self._figure("lost", "Lost connections", "alarms", lost, f"{_many(lost)} because a PV was away, {among}"),
            self._figure("peak_lost", "Most lost connections in 10 minutes", "alarms", peak, f"At most {peak:,} in 10 minutes"),
            self._figure("silent", "Silent", "alarms", sums.silent, f"{_many(sums.silent)} shown and not spoken"),
        ]


def _top_text(most: Sequence[object], share: float | None) -> str:
    if share is None:
        return "No alarm was annunciated"
    return f"The {min(TOP, len(most))} most frequent have {share:.1f} % of all annunciations"


def _many(number: int, noun: str = "alarm") -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _duration(time_ns: int) -> str:
    return _seconds(time_ns / NANOS_PER_SECOND)


def _seconds(seconds: float) -> str:
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
