#!/usr/bin/env python3
"""Writes golden/ from fixtures/: what the job must give, computed pair by pair from the baskets."""
import json
import pathlib
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import permutations
from math import sqrt

HERE = pathlib.Path(__file__).parent
DAYS, LIST, MOST, SHRINK = 28, 50, 50, 5


def main():
    plays = defaultdict(dict)  # (day, member) -> title -> last play
    for line in (HERE / "fixtures" / "playback.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["event_type"] == "start":
            at = datetime.fromisoformat(event["event_time"])
            of_day = plays[at.date(), event["member_id"]]
            of_day[event["title_id"]] = max(at, of_day.get(event["title_id"], at))
    days = defaultdict(Counter)  # title -> baskets by day
    together = defaultdict(Counter)  # two titles -> baskets by day
    for (day, _), titles in plays.items():
        basket = sorted(titles, key=lambda title: (-titles[title].timestamp(), title))[:MOST]
        for title in basket:
            days[title][day] += 1
        for pair in permutations(basket, 2):
            together[pair][day] += 1

    def lately(title, day):
        return sum(days[title][day - timedelta(days=back)] for back in range(DAYS))

    lists = defaultdict(list)
    for (title, other), by_day in together.items():
        billionths = sum(round(1e9 * n / sqrt(lately(title, day) * lately(other, day)))
                         for day, n in by_day.items())
        baskets, cosines = by_day.total(), billionths / 1e9
        lists[title].append((-cosines * baskets / (baskets + SHRINK), other, cosines, baskets, max(by_day)))
    rows = []
    for title in sorted(lists):
        for rank, (score, other, cosines, baskets, day) in enumerate(sorted(lists[title])[:LIST], 1):
            rows.append({"title_id": title, "rank": rank, "other_id": other, "score": -score, "cosines": cosines,
                         "baskets": baskets, "as_of": f"{day + timedelta(days=1)}T00:00:00Z"})
    (HERE / "golden").mkdir(exist_ok=True)
    lines = [json.dumps(row, separators=(",", ":")) for row in rows]
    (HERE / "golden" / "similar_titles.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
