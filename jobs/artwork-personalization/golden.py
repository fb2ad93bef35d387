#!/usr/bin/env python3
"""Writes golden/*.jsonl from fixtures/: what the jobs here must give, as one batch in plain Python.

    python3 jobs/artwork-personalization/golden.py

golden/ope.ndjson is made by golden_ope.py.
"""
import collections
import datetime
import json
import math
import pathlib

HERE = pathlib.Path(__file__).parent
FEATURES = 12
LONGEST = datetime.timedelta(hours=6)


def read(stream):
    """Events, each once."""
    lines = (HERE / "fixtures" / f"{stream}.jsonl").read_text().splitlines()
    rows = {row["event_id"]: row for row in map(json.loads, lines)}.values()
    for row in rows:
        row["time"] = datetime.datetime.fromisoformat(row["event_time"].replace("Z", "+00:00"))
    return list(rows)


def save(sink, rows):
    lines = sorted(json.dumps(row) for row in rows)
    (HERE / "golden" / f"{sink}.jsonl").write_text("".join(line + "\n" for line in lines))


impressions = [impression for impression in read("impressions") if "item_id" in impression]
plays = [play | {"title": play["title_id"]} for play in read("playback") if play["event_type"] == "start"]
plays += [click | {"title": click["item_id"]} for click in read("clicks")]

taken = set()
for play in plays:
    before = [i for i in impressions if i["member_id"] == play["member_id"] and i["item_id"] == play["title"]
              and i["time"] <= play["time"] <= i["time"] + LONGEST]
    if before:
        named = lambda i: i["event_id"] == play.get("impression_id")
        taken.add(max(before, key=lambda i: (named(i), i["time"], i["event_id"]))["event_id"])


def features(impression):
    """The context in units of 1/1024, or None."""
    context = impression.get("context")
    if context is None or len(context) != FEATURES or any(not abs(f) <= 1 for f in context):
        return None
    return [math.floor(abs(f) * 1024 + 0.5) * (-1 if f < 0 else 1) for f in context]


def chosen(impression):
    """Whether it says with what probability it was chosen."""
    return 1e-9 <= impression.get("propensity", 0) <= 1


def policy():
    arms = collections.defaultdict(list)
    for i in impressions:
        arms[i["item_id"], i.get("artwork_id", i["item_id"])].append(i)
    for (title, artwork), shown in arms.items():
        played = [i for i in shown if i["event_id"] in taken]
        row = {"title_id": title, "artwork_id": artwork, "version": len(shown) + len(played),
               "impressions": len(shown), "plays": len(played),
               "alpha": 1.0 + len(played), "beta": 1.0 + len(shown) - len(played),
               "inverse_plays": math.fsum(1 / i["propensity"] for i in played if chosen(i)),
               "inverse_squares": math.fsum(1 / i["propensity"] ** 2 for i in played if chosen(i))}
        known = [(features(i), i["event_id"] in taken) for i in shown if features(i)]
        if known:
            # Whole numbers, so that these sums are exact.
            gram = [sum(x[r] * x[c] for x, _ in known) / 1024**2 for r in range(FEATURES) for c in range(r + 1)]
            moment = [sum(x[r] for x, was in known if was) / 1024 for r in range(FEATURES)]
            row |= {"a": json.dumps(gram), "b": json.dumps(moment)}
        yield row


def value():
    groups = collections.defaultdict(list)
    for i in filter(chosen, impressions):
        groups[i["time"].strftime("%Y-%m-%dT00:00:00Z"), i.get("campaign", "none"), i.get("policy", "none"),
               i.get("position", 0), i["item_id"], i.get("artwork_id", i["item_id"])].append(i)
    for (day, campaign, policy, position, title, artwork), shown in groups.items():
        played = [i for i in shown if i["event_id"] in taken]
        total = lambda rows, power: math.fsum(i["propensity"] ** -power for i in rows)
        yield {"day": day, "campaign": campaign, "policy": policy, "position": position, "title_id": title,
               "artwork_id": artwork, "impressions": len(shown), "plays": len(played),
               "inverse": total(shown, 1), "inverse_squares": total(shown, 2),
               "inverse_plays": total(played, 1), "inverse_plays_squares": total(played, 2)}


(HERE / "golden").mkdir(exist_ok=True)
save("artwork_policy", policy())
save("policy_value", value())
