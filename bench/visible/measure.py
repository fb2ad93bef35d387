"""From a playback event until the recommendation service shows it.

Run it with bench/visible.sh. It starts a platform with the shipped job viewing-history and the
recommendation service in a temporary folder, lets `millrace generate playback` send events at a
rate, and sends marked events of members of its own: the clock runs from before the event is sent
until an answer has it. It needs nothing but Python's standard library.
"""

import argparse
import http.client
import json
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("streams", "open-bandit", "viewing-history")
JOB = "viewing-history"
# Members of probes; those of the generator have small numbers.
FIRST_MEMBER = 1_000_000_000
# Of generated playback: a session has about so many events.
EVENTS_PER_SESSION = 30
# How fast the generator's time passes. Its sessions last half an hour or so: the rate they are
# sent at is reached once the first of them end.
SPEED = 60
PATIENCE_S = 30


def usage(pid):
    """CPU seconds and resident MiB of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return cpu, pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def workers(data):
    """Process ids of the platform's workers by name."""
    found = {}
    for lock in (data / "run").glob("*/lock"):
        words = lock.read_text().split()
        if len(words) > 1 and Path(f"/proc/{words[1]}").exists():
            found[(lock.parent / "name").read_text().strip()] = int(words[1])
    return found


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))]


def until(what, probe, patience=120):
    began = time.perf_counter()
    while time.perf_counter() - began < patience:
        found = probe()
        if found:
            return found
        time.sleep(0.05)
    raise SystemExit(f"{what}: not within {patience} s")


class Http:
    """A connection that is kept, as those of players and pages are."""

    def __init__(self, address, token=None):
        self.connection = http.client.HTTPConnection(address, timeout=60)
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def call(self, method, path, body=None, kind="application/json"):
        headers = {**self.headers, **({"Content-Type": kind} if body is not None else {})}
        try:
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError):
            # Servers close what was silent for long.
            self.connection.close()
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
        return answer.status, answer.read()

    def json(self, method, path, body=None, kind="application/json"):
        status, text = self.call(method, path, body, kind)
        return status, json.loads(text) if text else None


class Stand:
    """Platform, service and generator."""

    def __init__(self, args, folder):
        self.args, self.folder, self.data = args, Path(folder), Path(folder) / "d"
        self.processes = {}

    def spawn(self, name, *command):
        log = open(self.folder / f"{name}.log", "wb")
        environment = {**os.environ, "RUST_LOG": "warn", "NO_COLOR": "1"}
        command = [self.args.binary, *map(str, command)]
        self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def start(self):
        manifests = self.folder / "manifests"
        for name in FOLDERS:
            (manifests / name).mkdir(parents=True)
            for path in (ROOT / "jobs" / name).iterdir():
                if path.suffix in (".yaml", ".sql"):
                    shutil.copy(path, manifests / name)
        listen = ("--listen", "127.0.0.1:0")
        self.spawn("control plane", "up", "--data", self.data, *listen, "--broker-listen", "127.0.0.1:0", "-f", manifests)
        run = self.data / "run.json"
        until("run.json", run.exists)
        run = json.loads(run.read_text())
        self.kafka = run["kafka"]
        self.platform = Http(run["http"], (self.data / "admin.token").read_text().strip())
        path = f"/v1/namespaces/default/jobs/{JOB}/status"
        until("the job", lambda: self.platform.json("GET", path)[1]["status"]["phase"] == "running")
        self.spawn("service", "serve", "recommendation", "--kafka", self.kafka, "--data", self.folder / "service", *listen)
        log = self.folder / "service.log"
        address = until("the service", lambda: re.search(r"^HTTP +http://(\S+)\n", log.read_text(), re.M))
        self.service = Http(address[1])

    def generate(self):
        args = self.args
        # Its time never passes ours.
        lead = SPEED * (args.warm_up + 10 * args.probes + 600)
        self.began, self.begins_ms = time.time(), int((time.time() - lead) * 1000)
        begins = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.begins_ms / 1000))
        sessions = args.rate / EVENTS_PER_SESSION / SPEED
        self.spawn("generator", "generate", "playback", "--to", "kafka", "--kafka", self.kafka, "--rate", sessions,
                   "--speed", SPEED, "--start", begins, "--members", args.members, "--titles", args.titles, "--seed", args.seed)

    def event_time(self):
        """What time it is for the generator."""
        return self.begins_ms + int((time.time() - self.began) * SPEED * 1000)

    def progress(self):
        """Events of `playback` that the job took, and how many wait."""
        status = self.platform.json("GET", f"/v1/namespaces/default/jobs/{JOB}/status")[1]["status"]
        if status["restarts"] or "worker" not in status:
            raise SystemExit(f"the job did not stay up: {json.dumps(status)[:500]}")
        sources = status["worker"]["sources"]
        return next((source["rows"], source["lag"]) for source in sources if source["name"] == "playback")

    def pids(self):
        names = {"system--broker": "broker", "system--router": "router", JOB: f"job {JOB}"}
        found = {names.get(name, name): pid for name, pid in workers(self.data).items()}
        return {**found, **{name: process.pid for name, process in self.processes.items()}}

    def stop(self):
        for name in ("generator", "service", "control plane"):
            if process := self.processes.get(name):
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()
        for pid in workers(self.data).values():
            os.kill(pid, signal.SIGKILL)


def probe(stand, number):
    """Seconds until the answer has the event: of the history, of every other probe of the page."""
    member, title = FIRST_MEMBER + number, 1 + number % stand.args.titles
    event = {
        "event_id": f"probe-{number}", "event_time": stand.event_time(), "session_id": f"probe-{number}",
        "member_id": member, "profile_id": 1, "title_id": title, "event_type": "heartbeat",
        "played_from_s": 0, "played_to_s": 30, "position_s": 30, "duration_s": 3600, "device": "tv", "country": "DE",
    }
    page = number % 2 == 1
    path = f"/v1/members/{member}/" + ("feed" if page else "history")
    began = time.perf_counter()
    status, answer = stand.platform.json("POST", "/v1/streams/playback/events", json.dumps(event) + "\n", "application/x-ndjson")
    assert status == 202, answer
    sent = time.perf_counter()
    while time.perf_counter() - began < PATIENCE_S:
        # A page that is answered by a lower rung of the ladder does not have it, and counts as such.
        status, answer = stand.service.json("GET", path)
        if status == 200:
            row = answer["rows"][0] if page and answer["rows"] else {}
            shown = row.get("titles", []) if row.get("row") == "continue_watching" else answer.get("titles", [])
            if any(entry["title_id"] == title for entry in shown):
                return time.perf_counter() - began, sent - began
        time.sleep(0.002)
    raise SystemExit(f"probe {number} was not seen within {PATIENCE_S} s: {stand.progress()[1]:,} events wait")


def measure(stand, args):
    stand.start()
    stand.generate()
    time.sleep(args.warm_up)
    pids = stand.pids()
    before, cpu_before, began = stand.progress()[0], {n: usage(p)[0] for n, p in pids.items()}, time.perf_counter()
    chance = random.Random(args.seed)
    seen, sent, waiting = [], [], []
    for number in range(args.probes):
        took, posted = probe(stand, number)
        seen.append(took)
        sent.append(posted)
        if number % 20 == 0:
            waiting.append(stand.progress()[1])
        # Not in step with anything that happens regularly.
        time.sleep(chance.uniform(0, 0.2))
    lasted = time.perf_counter() - began
    rate = (stand.progress()[0] - before) / lasted
    print(f"{args.probes} probes in {lasted:.0f} s, load of the machine {os.getloadavg()[0]:.1f}\n")
    print("| what | measured | asked |\n|---|---|---|")
    row = lambda what, text, asked="": print(f"| {what} | {text} | {asked} |")
    row("events/s that the job took", f"{rate:,.0f}", f"{args.rate:,}")
    row("events that wait, greatest of samples", f"{max(waiting):,.0f}")
    for what, times in (("visible in the history or on the page", seen), ("of these in the page", seen[1::2]), ("acknowledged by HTTP", sent)):
        row(f"event → {what}", f"p50 {quantile(times, .5) * 1e3:.0f} ms, p99 {quantile(times, .99) * 1e3:.0f} ms, longest {max(times) * 1e3:.0f} ms",
            "p99 ≤ 1 s" if times is seen else "")
    for name, pid in sorted(pids.items()):
        cpu, rss = usage(pid)
        row(name, f"{(cpu - cpu_before[name]) / lasted * 100:.0f} % of a core, {rss:.0f} MiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--rate", type=int, default=20_000, help="events a second")
    parser.add_argument("--probes", type=int, default=200)
    parser.add_argument("--warm-up", type=float, default=60, help="seconds until the first probe")
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument("--titles", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlr-visible-") as folder:
        stand = Stand(args, folder)
        try:
            measure(stand, args)
        finally:
            stand.stop()


if __name__ == "__main__":
    main()
