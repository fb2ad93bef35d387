#!/usr/bin/env python3
"""Writes fixtures/ from a seed: impressions with context and without, plays that name their impression, plays that
do not, several plays of one impression, events that come twice."""
import datetime
import json
import math
import pathlib
import random

HERE = pathlib.Path(__file__).parent
START = datetime.datetime(2026, 3, 4, 18, tzinfo=datetime.timezone.utc)
rng = random.Random(5)
streams = {"impressions": [], "clicks": [], "playback": []}


def text(time):
    return time.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def context(hour):
    device, bucket = rng.randrange(4), rng.randrange(4)
    features = [1.0] + [float(device == d) for d in range(3)]
    features += [math.sin(hour / 24 * math.tau), math.cos(hour / 24 * math.tau), rng.random(), rng.random()]
    return features + [float(bucket == b) for b in range(4)]


def start(number, shown, time, **more):
    streams["playback"].append({"event_id": f"p{number}", "event_time": text(time), "session_id": f"s{number}",
                                "member_id": shown["member_id"], "profile_id": 1, "title_id": shown["item_id"],
                                "event_type": "start", **more})


time = START
for i in range(300):
    time += datetime.timedelta(seconds=rng.randrange(20, 900))
    title = rng.randrange(1, 5)
    row = {"event_id": f"i{i}", "event_time": text(time), "member_id": rng.randrange(1, 9), "item_id": title}
    kind = rng.random()
    if kind < 0.25:  # of a replayed log
        row |= {"campaign": "all", "policy": rng.choice(["random", "bts"]), "position": rng.randrange(1, 4),
                "propensity": rng.choice([0.0125, 0.05, 0.3])}
    else:
        row |= {"artwork_id": title * 10 + rng.randrange(3), "row": "new", "policy": "linear_thompson",
                "propensity": rng.choice([0.1, 0.25, 0.7]), "policy_version": i, "country": "DE"}
        if kind < 0.9:
            row["context"] = context(time.hour)
        if kind > 0.97:
            row["context"] = [1.0, 2.0]  # is none
    streams["impressions"].append(row)
    played = rng.random()
    later = time + datetime.timedelta(seconds=rng.randrange(0, 6 * 3600 + 1))
    if "campaign" in row and played < 0.4:
        streams["clicks"].append({"event_id": f"c{i}", "event_time": text(time), "impression_id": row["event_id"],
                                  "campaign": "all", "policy": row["policy"], "member_id": row["member_id"],
                                  "item_id": title})
    elif played < 0.5:
        start(i, row, later, **({"impression_id": row["event_id"]} if played < 0.2 else {}))
        if played < 0.05:  # again
            start(f"{i}b", row, later + datetime.timedelta(minutes=3))
    elif played > 0.97:  # too late
        start(i, row, time + datetime.timedelta(hours=6, seconds=1), impression_id=row["event_id"])


def shown(number, minute, **more):
    time = START + datetime.timedelta(days=4, minutes=minute)
    row = {"event_id": f"x{number}", "event_time": text(time), "member_id": 20, "item_id": 9, "artwork_id": 90} | more
    streams["impressions"].append(row)
    return row, time


# Propensities that are none, played and not; one image has no others.
for n, propensity in enumerate([None, 0, 0.0, -0.5, 1.5, 1e-300]):
    for played in [False, True]:
        number = 2 * n + played
        row, time = shown(number, 400 * number, artwork_id=90 + n % 3)
        row |= {} if propensity is None else {"propensity": propensity}
        if played:
            start(f"x{number}", row, time + datetime.timedelta(minutes=1))
# A play is due to the latest impression, also if that has no propensity.
shown("before", 8000, artwork_id=91, propensity=0.5)
row, time = shown("after", 8001, artwork_id=91)
start("after", row, time + datetime.timedelta(minutes=1))
# An impression of nothing.
row, _ = shown("none", 8500, propensity=0.5)
del row["item_id"]
# At one instant, to that with the greater id; and a heartbeat is no play.
shown("twin-a", 9000, artwork_id=92, propensity=0.25)
row, time = shown("twin-b", 9000, artwork_id=93, propensity=0.5)
start("twin", row, time + datetime.timedelta(minutes=1))
row, time = shown("beat", 10000, artwork_id=93, propensity=0.5)
start("beat", row, time + datetime.timedelta(minutes=1), event_type="heartbeat")
streams["playback"].append(streams["playback"][0] | {"event_id": "h", "event_type": "heartbeat"})

(HERE / "fixtures").mkdir(exist_ok=True)
for stream, rows in streams.items():
    twice = rng.sample(rows, len(rows) // 15)
    rows = sorted(rows + twice, key=lambda row: row["event_time"])
    (HERE / "fixtures" / f"{stream}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
