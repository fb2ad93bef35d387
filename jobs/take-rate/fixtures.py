#!/usr/bin/env python3
"""Writes fixtures/: three days of impressions, clicks and playback, small and full of corner cases.

Members see the same titles again and again, play within and beyond six hours, on the very edge of it,
in the next week, without any impression, and twice; some plays name their impression, some events come
twice, some share an instant. One country has more titles than a list.
"""
import json
import pathlib
import random
from datetime import datetime, timedelta, timezone

HERE = pathlib.Path(__file__).parent
START = datetime(2026, 3, 4, 21, 40, tzinfo=timezone.utc)  # a 7-day window begins on the 5th
DAYS = 3
TITLES = range(1, 9)
MEMBERS = range(1, 13)


def text(time):
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def main():
    rng = random.Random(5)
    impressions, clicks, playback = [], [], []
    country = {m: rng.choice(["DE", "DE", "FR", None]) for m in MEMBERS}
    for n in range(200):
        member, title = rng.choice(MEMBERS), rng.choice(TITLES)
        at = START + timedelta(seconds=rng.randrange(DAYS * 86400))
        if n % 40 == 39:  # the same instant, title and member as the one before
            member, title, at = impressions[-1]["member_id"], impressions[-1]["item_id"], before
        before = at
        shown = {"event_id": f"i{n}", "event_time": text(at), "member_id": member, "item_id": title}
        if n % 3 == 0:
            shown |= {"campaign": "all", "policy": rng.choice(["bts", "random"]), "position": n % 3 + 1}
        else:
            shown |= {"row": rng.choice(["trending", "new"]), "artwork_id": title * 10 + rng.randrange(2)}
            shown |= {"policy": "thompson", "country": country[member]}
        impressions.append({k: v for k, v in shown.items() if v is not None})
        luck = rng.random()
        if n % 3 == 0 and luck < 0.3:
            clicks.append({"event_id": f"c{n}", "event_time": text(at), "impression_id": f"i{n}",
                           "campaign": "all", "policy": shown["policy"], "member_id": member, "item_id": title})
        if luck < 0.4:
            edge = [timedelta(0), timedelta(hours=6), timedelta(hours=6, milliseconds=1)]
            after = edge[n % 3] if luck < 0.05 else timedelta(seconds=rng.randrange(7 * 3600))
            playback.append(play(f"p{n}", at + after, member, title, country, rng, f"i{n}" if luck < 0.15 else None))
    for n in range(40):  # nobody was shown these; and events that are no plays
        at = START + timedelta(seconds=rng.randrange(DAYS * 86400))
        member, title = rng.choice(MEMBERS), rng.choice(TITLES)
        event = play(f"q{n}", at, member, title, country, rng, None)
        playback.append(event | {"event_type": rng.choice(["start", "start", "heartbeat", "stop"])})
    # Shown before a week ends and played after it; shown, and watched without a start that came; nothing shown.
    shown = {"member_id": 90, "item_id": 3, "country": "DE", "row": "new", "artwork_id": 30}
    impressions.append({"event_id": "i-week", "event_time": "2026-03-04T23:50:00.000Z"} | shown)
    impressions.append({"event_id": "i-beat", "event_time": "2026-03-06T12:00:00.000Z"} | shown)
    impressions.append({"event_id": "i-none", "event_time": "2026-03-06T13:00:00.000Z", "member_id": 90})
    played = {"session_id": "s90", "member_id": 90, "profile_id": 1, "title_id": 3, "country": "DE"}
    for event_id, at, kind in [("p-week", "05T04:30", "start"), ("p-beat", "06T12:05", "heartbeat")]:
        playback.append({"event_id": event_id, "event_time": f"2026-03-{at}:00.000Z", "event_type": kind} | played)
    # More titles than a list has, each played once, two by two at the same instant.
    for n in range(53):
        at = START + timedelta(days=1, seconds=-60 * ((n + 1) // 2))
        event = {"event_id": f"t{n}", "event_time": text(at), "session_id": f"st{n}", "member_id": 91, "profile_id": 1}
        playback.append(event | {"title_id": 100 + n, "event_type": "start", "country": "SE"})
    for name, events in [("impressions", impressions), ("clicks", clicks), ("playback", playback)]:
        events += rng.sample(events, len(events) // 12)  # these come twice
        events.sort(key=lambda event: event["event_time"])
        lines = [json.dumps(event, separators=(",", ":")) for event in events]
        (HERE / "fixtures" / f"{name}.jsonl").write_text("\n".join(lines) + "\n")


def play(event_id, at, member, title, country, rng, impression):
    event = {"event_id": event_id, "event_time": text(at), "session_id": "s" + event_id, "member_id": member,
             "profile_id": 1, "title_id": title, "event_type": "start", "country": country[member],
             "impression_id": impression}
    return {k: v for k, v in event.items() if v is not None}


if __name__ == "__main__":
    (HERE / "fixtures").mkdir(exist_ok=True)
    main()
