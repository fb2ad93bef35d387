"""Figures of the control plane: validation, deployment, and many jobs at once.

Run it with bench/control/run.sh. It speaks HTTP to a platform of its own in a temporary folder and
needs nothing but Python's standard library.
"""

import argparse
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

STREAM = {
    "kind": "Stream",
    "metadata": {"name": "ticks"},
    "spec": {
        "format": "json", "key": "k", "id": "id", "partitions": 1,
        "event_time": {"column": "at", "delay": "1s", "idle": "1s"},
        "columns": [
            {"name": "id", "type": "string"},
            {"name": "at", "type": "timestamp_ms", "required": True},
            {"name": "k", "type": "string", "required": True},
            {"name": "n", "type": "int64", "required": True},
        ],
    },
}
QUERY = (
    "INSERT INTO {sink} SELECT k, window_start, COUNT(*) AS c, SUM(n) AS total "
    "FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(at), INTERVAL '1' MINUTE)) "
    "GROUP BY k, window_start, window_end"
)


def job(name, sql, interval):
    return {
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"sql": sql, "checkpoint": {"interval": interval}, "memory": "256MiB"},
    }


class Api:
    def __init__(self, run, data):
        self.base = f"http://{run['http']}/v1"
        self.token = (data / "admin.token").read_text().strip()

    def call(self, method, path, body=None, kind="application/json"):
        data = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data=data, method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        if data is not None:
            request.add_header("Content-Type", kind)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")


def usage(pid):
    """CPU seconds and resident MiB of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    ticks = os.sysconf("SC_CLK_TCK")
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return (int(fields[11]) + int(fields[12])) / ticks, pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def workers(data):
    pids = []
    for lock in (data / "run").glob("*/lock"):
        words = lock.read_text().split()
        if len(words) > 1 and Path(f"/proc/{words[1]}").exists():
            pids.append(int(words[1]))
    return pids


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))]


def timed(call):
    began = time.perf_counter()
    result = call()
    return time.perf_counter() - began, result


def until(what, probe, patience=300):
    began = time.perf_counter()
    while time.perf_counter() - began < patience:
        found = probe()
        if found:
            return time.perf_counter() - began, found
        time.sleep(0.01)
    raise SystemExit(f"{what}: not within {patience} s")


def validation(api):
    body = {"sql": QUERY.format(sink="w")}
    path = "/namespaces/default/jobs/-/validate"
    times = [timed(lambda: api.call("POST", path, body)) for _ in range(200)]
    assert all(answer[0] == 200 for _, answer in times), times[-1]
    seconds = [s for s, _ in times]
    return f"validate, {len(times)} calls", f"p50 {quantile(seconds, .5) * 1e3:.1f} ms, p99 {quantile(seconds, .99) * 1e3:.1f} ms", "≤ 50 ms"


def first_rows(api):
    seconds = []
    for n in range(5):
        name = f"first_{n}"
        sql = f"INSERT INTO {name} SELECT id, k, n FROM ticks"
        began = time.perf_counter()
        status, answer = api.call("PUT", f"/namespaces/default/jobs/{name}", job(name, sql, "100ms"))
        assert status == 201, answer
        ask = {"sql": f"SELECT count(*) AS c FROM {name}"}
        until("the first row", lambda: (r := api.call("POST", "/sql", ask))[0] == 200 and r[1]["rows"][0]["c"] > 0)
        seconds.append(time.perf_counter() - began)
    return "deploy → first row, 5 jobs", f"p50 {quantile(seconds, .5):.2f} s, longest {max(seconds):.2f} s", "≤ 1 s"


def many(api, data, pid, count):
    text = "\n---\n".join(
        json.dumps(job(f"many_{n}", QUERY.format(sink=f"many_{n}"), "10s")) for n in range(count)
    )
    answers, over = [], threading.Event()

    def look():
        while not over.is_set():
            answers.append(timed(lambda: api.call("GET", "/namespaces/default/jobs/many_0/status"))[0])
            time.sleep(0.02)

    cpu = usage(pid)[0]
    began = time.perf_counter()
    status, answer = api.call("POST", "/namespaces/default/apply", text, "application/yaml")
    assert status == 200, answer
    applied = time.perf_counter() - began
    looking = threading.Thread(target=look)
    looking.start()

    def running():
        jobs = api.call("GET", "/overview")[1]["jobs"]
        return sum(j["phase"] == "running" for j in jobs if j["job"].startswith("many_")) == count

    try:
        until("all run", running, 900)
    finally:
        over.set()
        looking.join()
    converged = time.perf_counter() - began
    spent = usage(pid)[0] - cpu
    idle_from = usage(pid)[0]
    time.sleep(10)
    idle = (usage(pid)[0] - idle_from) / 10
    rss = usage(pid)[1]
    each = [usage(p)[1] for p in workers(data)]
    return [
        (f"{count} jobs applied at once", f"answered in {applied:.2f} s, all running after {converged:.1f} s", ""),
        ("API while they start", f"p50 {quantile(answers, .5) * 1e3:.1f} ms, p99 {quantile(answers, .99) * 1e3:.1f} ms ({len(answers)} requests)", ""),
        ("control plane, CPU to converge", f"{spent:.2f} s", ""),
        ("control plane, CPU at rest", f"{idle * 100:.1f} % of a core", ""),
        ("control plane, memory", f"{rss:.0f} MiB", ""),
        ("workers, memory", f"{sum(each) / max(len(each), 1):.0f} MiB each, {len(each)} processes", ""),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--jobs", type=int, default=200)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlr-") as folder:
        data = Path(folder) / "d"
        command = [args.binary, "up", "--data", data, "--listen", "127.0.0.1:0", "--broker-listen", "127.0.0.1:0"]
        log = open(Path(folder) / "log", "wb")
        plane = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "RUST_LOG": "warn"})
        try:
            began = time.perf_counter()
            until("run.json", (data / "run.json").exists, 60)
            rows = [("start of an empty platform", f"{time.perf_counter() - began:.2f} s", "")]
            api = Api(json.loads((data / "run.json").read_text()), data)
            assert api.call("PUT", "/namespaces/default/streams/ticks", STREAM)[0] == 201
            now = int(time.time() * 1000)
            events = "\n".join(json.dumps({"id": f"e{n}", "at": now, "k": f"k{n % 10}", "n": n}) for n in range(1000))
            assert api.call("POST", "/streams/ticks/events", events, "application/x-ndjson")[0] == 202
            rows.append(validation(api))
            rows.append(first_rows(api))
            rows.extend(many(api, data, plane.pid, args.jobs))
        finally:
            plane.send_signal(signal.SIGTERM)
            plane.wait(120)
            for pid in workers(data):
                os.kill(pid, signal.SIGKILL)
        print("| what | measured | asked |\n|---|---|---|")
        for row in rows:
            print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
