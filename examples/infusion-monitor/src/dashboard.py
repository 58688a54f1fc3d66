"""Dashboard (IEC 62304 class A): one line of text per pump, for the ward's screen."""

from alarm import Engine

VERSION = "2.4.0"


def line(bed: str, volume_left: float, engine: Engine) -> str:
    """What the screen shows for a bed (SRS-001). `volume_left` is in ml."""
    if engine.last is None:
        return f"{bed}: no data"
    rate = engine.last.actual_rate
    end = f"{volume_left / rate * 60:.0f} min left" if rate > 0 else "stopped"
    order = ("high", "medium")
    causes = sorted(engine.alarms, key=lambda cause: order.index(engine.alarms[cause].priority))
    alarms = ", ".join(causes) or "no alarm"
    return f"{bed}: {rate:.1f} ml/h, {end}, {alarms}"


def about() -> str:
    """The electronic label (SRS-008)."""
    return f"Infusion Monitor {VERSION}"
