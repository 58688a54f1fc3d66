"""Infusion Monitor: reads the pumps' messages, one JSON object per line, and shows the ward."""

import json
import sys

from alarm import Engine, Message
from dashboard import about, line


def main() -> int:
    print(about())
    engines: dict[str, Engine] = {}
    for text in sys.stdin:
        try:
            record = json.loads(text)
            bed = str(record["bed"])
            engine = engines.setdefault(bed, Engine())
            engine.receive(
                Message(
                    time=float(record["time"]),
                    set_rate=float(record["set_rate"]),
                    actual_rate=float(record["actual_rate"]),
                    occluded=bool(record.get("occluded", False)),
                )
            )
            for other in engines.values():
                other.tick(float(record["time"]))
            print(line(bed, float(record["volume_left"]), engine))
        except (KeyError, TypeError, ValueError) as error:
            print(f"message rejected: {error!r}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
