#!/usr/bin/env python3
"""Golden results of oca-health, from its definitions alone: python3 golden.py

It shares no code with the engine: plain Python that walks each appliance's reports in order.
"""

import json
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path

HERE = Path(__file__).parent
DEADLINE = timedelta(milliseconds=5200)
MEMORY = timedelta(seconds=60)
UP_AFTER, DOWN_AFTER = 3, 3


def rows(stream):
    lines = (HERE / "fixtures" / f"{stream}.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    for row in found:
        row["event_time"] = datetime.fromisoformat(row["event_time"])
    return found


def write(sink, found):
    plain = lambda value: value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value
    lines = [json.dumps({k: plain(v) for k, v in row.items() if v is not None}) for row in found]
    (HERE / "golden" / f"{sink}.jsonl").write_text("".join(line + "\n" for line in sorted(lines)))


def part(value):
    return min(1.0, max(0.0, value))


def score(report):
    capacity, load = report.get("capacity_mbps"), report.get("load_mbps")
    link = part((1.0 - load / capacity) / 0.3) if capacity and load is not None else 0.0
    errors, cpu = report.get("disk_errors"), report.get("cpu")
    disk = part(1.0 - errors / 8.0) if errors is not None else 0.0
    busy = part((1.0 - cpu) / 0.3) if cpu is not None else 0.0
    return 0.5 * link + 0.3 * disk + 0.2 * busy, disk


def verdict(report):
    value, disk = score(report)
    if value < 0.25 or disk == 0.0:
        return "failing"
    return "bad" if value < 0.6 else "good"


def sessions(times):
    """Runs of reports between which no deadline passed: (first, last, how many)."""
    times, found = sorted(times), []
    for time in times:
        assert not found or time - found[-1][-1] != DEADLINE, "a tie is not part of the test"
        if found and time - found[-1][-1] < DEADLINE:
            found[-1].append(time)
        else:
            found.append([time])
    return [(run[0], run[-1], len(run)) for run in found]


def walk(news):
    """Up or down after each piece of news, from down: the last state, and that of the last report."""
    up, reported, good, bad = False, False, 0, 0
    for _, _, what in news:
        good = good + 1 if what == "good" else 0
        bad = bad + 1 if what in ("bad", "failing") else 0
        if what in ("failing", "silent") or (what == "bad" and bad >= DOWN_AFTER):
            up = False
        elif good >= UP_AFTER:
            up = True
        if what != "silent":
            reported = up
    return {
        "healthy": up,
        "reported_healthy": reported,
        "silent": news[-1][2] == "silent",
        "good_in_row": good,
        "bad_in_row": bad,
    }


def health():
    reports = sorted(rows("oca_reports"), key=lambda row: row["oca_id"])
    appliances, silences = [], []
    for oca_id, own in groupby(reports, key=lambda row: row["oca_id"]):
        own = list(own)
        runs = sessions([row["event_time"] for row in own])
        for first, last, count in runs:
            silences.append({
                "oca_id": oca_id, "heard_from": first, "last_report": last,
                "silent_from": last + DEADLINE, "reports": count,
            })
        once = {row["event_id"]: row for row in own}.values()
        news = {(row["event_time"], row["event_id"], verdict(row)) for row in once}
        news |= {(last + DEADLINE, "", "silent") for _, last, _ in runs}
        news = sorted(news)
        recent = [one for one in news if one[0] > news[-1][0] - MEMORY]
        newest = max(once, key=lambda row: (row["event_time"], row["event_id"]))
        capacity, load = newest.get("capacity_mbps"), newest.get("load_mbps")
        known = capacity is not None and load is not None
        names = ["capacity_mbps", "site", "asn", "country", "latitude", "longitude", "version", "base_url"]
        appliances.append({
            "oca_id": oca_id,
            **walk(recent),
            "score": score(newest)[0],
            "headroom_mbps": max(0.0, 0.9 * capacity - load) if known else 0.0,
            **{name: newest.get(name) for name in names},
            "last_report": newest["event_time"],
        })
    write("appliances", appliances)
    write("oca.silences", silences)


def latest(stream, thing, comes, at):
    """What the newest event of each thing of each appliance still says is there."""
    newest = {}
    for row in sorted(rows(stream), key=lambda row: (row["event_time"], row["event_id"])):
        newest[row["oca_id"], row[thing]] = row
    return [
        {"oca_id": oca_id, thing: what, at: row["event_time"]}
        for (oca_id, what), row in newest.items()
        if row["action"] == comes
    ]


def client_errors():
    windows = {}
    for row in rows("client_errors"):
        minute = row["event_time"].replace(second=0, microsecond=0)
        key = minute, row.get("device"), row.get("client_version"), row.get("oca_id")
        windows.setdefault(key, []).append(row)
    return [
        {
            "window_start": minute, "window_end": minute + timedelta(minutes=1),
            "device": device, "client_version": version, "oca_id": oca_id,
            "errors": len({row["event_id"] for row in found}),
            "members": len({row["member_id"] for row in found}),
        }
        for (minute, device, version, oca_id), found in windows.items()
    ]


health()
write("appliance_routes", latest("oca_routes", "prefix", "announce", "announced"))
write("appliance_files", latest("oca_files", "file_id", "add", "added"))
write("oca.client_errors", client_errors())
