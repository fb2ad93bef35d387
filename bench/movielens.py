"""Recommendation on MovieLens, each member's last rating held out: ours, item-kNN and popularity.

    movielens.py u.data MILLRACE PAGES

MILLRACE is the binary, PAGES the example `movielens` of services/recommendation. Ours: `generate playback --ratings`
makes events of all other ratings, the jobs similar-titles and popularity run over them, and the service's own code
makes a page of their feeds; its first 20 titles that the member has not rated are the answer. The others are computed
here, from the same ratings and by nothing of ours.
"""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

TOP = 20
NEIGHBOURS = [5, 10, 20, 30, 50, 100, 200, None]
SHRINKS = [0, 5, 20]


def main():
    data, millrace, pages = sys.argv[1:4]
    ratings = read(data)
    rest, held = without_last(ratings)
    print(f"{len(ratings)} ratings by {len({m for m, *_ in ratings})} members of {len({t for _, t, _ in ratings})} titles;"
          f" {len(held)} held out", file=sys.stderr)
    k, shrink = tuned(rest)
    seen = matrix(rest)
    knn = best(seen @ similarities(seen, k, shrink).T, seen)
    popular = best(np.tile(seen.sum(0), (len(seen), 1)), seen)
    rows = {f"item-kNN, cosine, k = {k}, shrinkage {shrink}": knn, "popularity": popular,
            "Millrace": ours(rest, millrace, pages)}
    print(f"| | recall@{TOP} | NDCG@{TOP} |\n|---|---:|---:|")
    scores = {}
    for name, lists in rows.items():
        scores[name] = measured(lists, held)
        print(f"| {name} | {scores[name][0]:.4f} | {scores[name][1]:.4f} |")
    baseline, _, got = scores.values()
    if got[0] < baseline[0] or got[1] < baseline[1]:
        sys.exit("below item-kNN")


def read(path):
    """(member, title, second), by time; of the same second in the order of the file."""
    ratings = []
    for line in Path(path).read_text().splitlines():
        member, title, _, at = line.replace("::", "\t").replace(",", "\t").split("\t")
        ratings.append((int(member), int(title), int(at)))
    return sorted(ratings, key=lambda rating: rating[2])


def without_last(ratings):
    """All but each member's last rating, and the titles of these."""
    last = {member: at for at, (member, *_) in enumerate(ratings)}
    held = {member: ratings[at][1] for member, at in last.items()}
    gone = set(last.values())
    return [rating for at, rating in enumerate(ratings) if at not in gone], held


def matrix(ratings):
    """Who has seen what: members × titles, numbered from 0 although ids begin at 1."""
    seen = np.zeros((1 + max(m for m, *_ in ratings), 1 + max(t for _, t, _ in ratings)))
    for member, title, _ in ratings:
        seen[member, title] = 1
    return seen


def similarities(seen, k, shrink):
    """Row j: how similar title j is to its k nearest, 0 to all others."""
    both = seen.T @ seen
    alone = np.sqrt(np.maximum(np.diag(both), 1))
    cosine = both / np.outer(alone, alone) * both / np.maximum(both + shrink, 1)
    np.fill_diagonal(cosine, 0)
    if k is not None:
        far = np.argsort(-cosine, axis=1, kind="stable")[:, k:]
        np.put_along_axis(cosine, far, 0, axis=1)
    return cosine


def best(scores, seen):
    """Per member the titles of the greatest scores that the member has not seen."""
    scores = np.where(seen > 0, -np.inf, scores)
    scores[:, 0] = -np.inf
    return dict(enumerate(np.argsort(-scores, axis=1, kind="stable")[:, :TOP].tolist()))


def measured(lists, held):
    """Share of members whose title is in the list, and the mean of 1 / log2(1 + its place)."""
    places = [lists[member].index(title) if title in lists.get(member, []) else None for member, title in held.items()]
    found = [1 / np.log2(2 + place) for place in places if place is not None]
    return len(found) / len(held), sum(found) / len(held)


def tuned(rest):
    """What is best for item-kNN with the last rating but one held out: the test's titles are not looked at."""
    before, held = without_last(rest)
    seen = matrix(before)
    tried = {}
    for k in NEIGHBOURS:
        for shrink in SHRINKS:
            tried[k, shrink] = measured(best(seen @ similarities(seen, k, shrink).T, seen), held)
    return max(tried, key=lambda of: tried[of][1])


def ours(rest, millrace, pages):
    """Lists by our jobs and our service."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        folder = Path(folder)
        (folder / "train.data").write_text("".join(f"{m}\t{t}\t5\t{at}\n" for m, t, at in rest))
        events(millrace, folder / "train.data", folder / "playback.jsonl")
        for sql in ["similar-titles/similar-titles.sql", "take-rate/popularity.sql"]:
            job(millrace, f"jobs/{sql}", folder)
        with open(folder / "history.jsonl", "w") as out:
            for member, title, at in rest:
                second = np.datetime64(at, "s")
                out.write(json.dumps({"member_id": member, "profile_id": 1, "title_id": title,
                                      "last_watched": f"{second}Z", "completion": 1}) + "\n")
        lines = subprocess.run([pages, folder, str(TOP)], check=True, stdout=subprocess.PIPE).stdout.splitlines()
    return {page["member_id"]: page["titles"] for page in map(json.loads, lines)}


def events(millrace, ratings, path):
    """The starts of playback, which are all that the two jobs read."""
    made = subprocess.Popen([millrace, "generate", "playback", "--ratings", ratings, "--stream", "playback"],
                            stdout=subprocess.PIPE)
    with open(path, "wb") as out:
        out.writelines(line for line in made.stdout if b'"event_type":"start"' in line)
    if made.wait():
        sys.exit("no events")


def job(millrace, sql, folder):
    """Runs a job; a file for each of its feeds."""
    print(sql, file=sys.stderr)
    done = subprocess.run([millrace, "job", "run", "--local", sql, "-f", "jobs/streams", "--limit", "100000000",
                           "-o", "json", "--input", f"playback={folder}/playback.jsonl"], check=True,
                          stdout=subprocess.PIPE)
    for feed, result in json.loads(done.stdout)["results"].items():
        with open(folder / f"{feed}.jsonl", "w") as out:
            out.writelines(json.dumps(row) + "\n" for row in result["rows"])


if __name__ == "__main__":
    main()
