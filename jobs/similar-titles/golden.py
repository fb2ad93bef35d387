#!/usr/bin/env python3
"""Writes golden/ from fixtures/: what the job must give, computed day by day."""
import json
import pathlib
from collections import defaultdict
from datetime import datetime, timedelta
from math import sqrt

HERE = pathlib.Path(__file__).parent
DAYS, LIST, MOST, SHRINK = 28, 20, 50, 5


def main():
    plays = defaultdict(dict)  # (day, member) -> title -> last play
    for line in (HERE / "fixtures" / "playback.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["event_type"] == "start":
            at = datetime.fromisoformat(event["event_time"])
            of_day = plays[at.date(), event["member_id"]]
            of_day[event["title_id"]] = max(at, of_day.get(event["title_id"], at))
    baskets = defaultdict(list)  # day -> (member, titles)
    for (day, member), titles in plays.items():
        last = sorted(titles, key=lambda title: (-titles[title].timestamp(), title))
        baskets[day].append((member, set(last[:MOST])))
    rows = {}
    for day in sorted(baskets):
        who = defaultdict(set)  # title or pair of titles -> members
        for back in range(DAYS):
            for member, titles in baskets.get(day - timedelta(days=back), []):
                for title in titles:
                    who[title].add(member)
                    for other in titles - {title}:
                        who[title, other].add(member)
        for title in set().union(*(titles for _, titles in baskets[day])):
            found = []
            for other in (key[1] for key in who if isinstance(key, tuple) and key[0] == title):
                members = len(who[title, other])
                cosine = members / sqrt(len(who[title]) * len(who[other]))
                found.append((-cosine * members / (members + SHRINK), other, cosine, members))
            for rank, (score, other, cosine, members) in enumerate(sorted(found)[:LIST], 1):
                rows[title, rank] = {"title_id": title, "rank": rank, "other_id": other, "score": -score,
                                     "cosine": cosine, "members": members,
                                     "as_of": f"{day + timedelta(days=1)}T00:00:00Z"}
    (HERE / "golden").mkdir(exist_ok=True)
    lines = [json.dumps(rows[key], separators=(",", ":")) for key in sorted(rows)]
    (HERE / "golden" / "similar_titles.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
