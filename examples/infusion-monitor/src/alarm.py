"""Alarm engine (IEC 62304 class B): decides which alarms are active for one pump."""

from dataclasses import dataclass, field

SILENCE_LIMIT_S = 15      # SRS-003
DEVIATION_LIMIT = 0.10    # SRS-004
DEVIATION_TIME_S = 30     # SRS-004


@dataclass(frozen=True)
class Message:
    """One status message of a pump. Times are in seconds, rates in ml/h."""

    time: float
    set_rate: float
    actual_rate: float
    occluded: bool = False


@dataclass
class Alarm:
    """An alarm stays until its cause has ended and a person acknowledged it (SRS-005)."""

    priority: str
    cause_present: bool = True
    acknowledged: bool = False


@dataclass
class Engine:
    """The alarms of one pump."""

    last: Message | None = None
    deviating_since: float | None = None
    alarms: dict[str, Alarm] = field(default_factory=dict)

    def receive(self, message: Message) -> None:
        """Takes in a message. Raises ValueError for one that cannot be true (SRS-006)."""
        if message.set_rate < 0 or message.actual_rate < 0:
            raise ValueError("a rate is negative")
        if self.last is not None and message.time < self.last.time:
            raise ValueError("the message is older than the one before it")
        self.last = message
        self._set("occlusion", "high", message.occluded)
        self._set("connection lost", "medium", False)
        self._set("rate deviation", "high", self._deviates(message))

    def tick(self, now: float) -> None:
        """To be called once a second: notices a pump that fell silent."""
        if self.last is not None and now - self.last.time >= SILENCE_LIMIT_S:
            self._set("connection lost", "medium", True)

    def acknowledge(self, cause: str) -> None:
        """A person has seen the alarm."""
        if cause in self.alarms:
            self.alarms[cause].acknowledged = True
            self._drop_if_over(cause)

    def _deviates(self, message: Message) -> bool:
        allowed = DEVIATION_LIMIT * message.set_rate
        if abs(message.actual_rate - message.set_rate) <= allowed:
            self.deviating_since = None
            return False
        if self.deviating_since is None:
            self.deviating_since = message.time
        return message.time - self.deviating_since >= DEVIATION_TIME_S

    def _set(self, cause: str, priority: str, present: bool) -> None:
        alarm = self.alarms.get(cause)
        if alarm is None:
            if present:
                self.alarms[cause] = Alarm(priority)
            return
        if present and not alarm.cause_present:
            alarm.acknowledged = False
        alarm.cause_present = present
        self._drop_if_over(cause)

    def _drop_if_over(self, cause: str) -> None:
        alarm = self.alarms[cause]
        if alarm.acknowledged and not alarm.cause_present:
            del self.alarms[cause]
