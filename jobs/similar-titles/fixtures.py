#!/usr/bin/env python3
"""Writes fixtures/: five weeks of plays of members with a taste; some events twice, some no plays."""
import json
import pathlib
import random
from datetime import datetime, timedelta, timezone

HERE = pathlib.Path(__file__).parent
START = datetime(2026, 2, 1, tzinfo=timezone.utc)


def main():
    rng = random.Random(8)
    events = []
    for member in range(1, 31):
        taste = [title for title in range(1, 16) if title % 3 == member % 3 or rng.random() < 0.2]
        for day in rng.sample(range(35), 5):
            for _ in range(rng.randrange(1, 5)):
                at = START + timedelta(days=day, seconds=rng.choice([0, 86399, rng.randrange(86400)]))
                number = f"p{len(events)}"
                events.append({
                    "event_id": number, "event_time": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "session_id": "s" + number,
                    "member_id": member, "profile_id": 1, "title_id": rng.choice(taste),
                    "event_type": rng.choice(["start"] * 9 + ["stop"])})
    for title in range(100, 160):  # one who plays too many
        at = START + timedelta(days=20, seconds=title * 7)
        events.append({"event_id": f"q{title}", "event_time": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "session_id": "q",
                       "member_id": 99, "profile_id": 1, "title_id": title, "event_type": "start"})
    events += rng.sample(events, 20)
    events.sort(key=lambda event: event["event_time"])
    lines = [json.dumps(event, separators=(",", ":")) for event in events]
    (HERE / "fixtures").mkdir(exist_ok=True)
    (HERE / "fixtures" / "playback.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
