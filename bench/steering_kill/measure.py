"""How long steering sends clients to an appliance that died.

A platform of its own runs the shipped jobs/oca-health; `millrace generate fleet` reports at the
speed of real time, through this program, which kills appliances by dropping what they say; and
steering is asked until it names another. Run it with bench/steering_kill/run.sh. It needs nothing
but Python's standard library.
"""

import argparse
import http.client
import ipaddress
import json
import os
import queue
import random
import signal
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# How often an appliance reports at least, and how long after a report was due its clients may wait.
INTERVAL_S, ASKED_S = 5.0, 1.0
FILES_A_REQUEST = 32


def until(what, probe, patience=120):
    began = time.monotonic()
    while time.monotonic() - began < patience:
        found = probe()
        if found:
            return found
        time.sleep(0.01)
    raise SystemExit(f"{what}: not within {patience} s")


class Http:
    """One connection, for one thread."""

    def __init__(self, address, token=None):
        self.connection = http.client.HTTPConnection(address, timeout=60)
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def call(self, method, path, body=None, kind="application/json"):
        headers = {**self.headers, "Content-Type": kind}
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")


class Fleet:
    """Passes on what the generator prints, but for the dead."""

    def __init__(self, binary, address, token, rate, seed):
        command = [binary, "generate", "fleet", "--rate", str(rate), "--seed", str(seed)]
        command += ["--start", "now", "--speed", "1", "--for", "1h"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.dead, self.reported, self.prefixes, self.files = set(), {}, {}, {}
        self.lock = threading.Lock()
        streams = ["oca_reports", "oca_routes", "oca_files", "client_errors"]
        self.queues = {stream: queue.Queue() for stream in streams}
        # A connection for each, so that no report waits behind the first list of files.
        work = [(self.read,)] + [(self.send, s, Http(address, token)) for s in streams]
        for target, *args in work:
            threading.Thread(target=target, args=args, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            line = json.loads(line)
            stream, event = line["stream"], line["event"]
            appliance = event["oca_id"]
            with self.lock:
                if appliance in self.dead:
                    continue
                if stream == "oca_reports":
                    at = datetime.fromisoformat(event["event_time"]).timestamp()
                    self.reported[appliance] = max(at, self.reported.get(appliance, 0.0))
                elif stream in ("oca_routes", "oca_files"):
                    known, name = (self.prefixes, "prefix") if stream == "oca_routes" else (self.files, "file_id")
                    there = known.setdefault(appliance, set())
                    (there.add if event["action"] in ("announce", "add") else there.discard)(event[name])
            self.queues[stream].put(json.dumps(event))

    def send(self, stream, http):
        waiting = self.queues[stream]
        while True:
            lines = [waiting.get()]
            while not waiting.empty() and len(lines) < 2_000:
                lines.append(waiting.get())
            status, answer = http.call(
                "POST", f"/v1/streams/{stream}/events", "\n".join(lines), "application/x-ndjson"
            )
            assert status == 202 and answer["accepted"] == len(lines), answer

    def kill(self, appliance):
        """When it reported last, and when it died."""
        with self.lock:
            self.dead.add(appliance)
            return self.reported[appliance], time.time()


class Steering:
    def __init__(self, address):
        self.http, self.ages = Http(address), []

    def first(self, client, files):
        status, answer = self.http.call("POST", "/v1/steer", json.dumps({"client_ip": client, "files": files}))
        assert status == 200, answer
        self.ages.append(time.time() - answer["health_as_of_ms"] / 1e3)
        return {one["file"]: one["urls"][0]["appliance"] for one in answer["files"] if one["urls"]}

    def why(self, client, file, appliance):
        status, answer = self.http.call("GET", f"/v1/admin/why?client_ip={client}&file={file}")
        assert status == 200, answer
        found = [v for v in answer["chosen"] + answer["others"] if v["appliance"] == appliance]
        return found[0] if found else {}


def client_of(fleet, steering, appliance):
    """A client and a file for which `appliance` comes first, if there are any."""
    with fleet.lock:
        prefixes, files = sorted(fleet.prefixes.get(appliance, ())), sorted(fleet.files.get(appliance, ()))
    for prefix in prefixes:
        client = str(ipaddress.ip_network(prefix)[0])
        for at in range(0, len(files), FILES_A_REQUEST):
            named = steering.first(client, files[at:at + FILES_A_REQUEST])
            mine = [file for file, first in named.items() if first == appliance]
            if mine:
                return client, mine[0]
    return None


def one_kill(fleet, address, appliance, phase):
    """Seconds from the kill, and from when the next report was due, until its client goes elsewhere;
    and how old the newest report of any appliance was in each answer meanwhile."""
    steering = Steering(address)
    found = client_of(fleet, steering, appliance)
    if not found:
        return None
    client, file = found
    time.sleep(phase)
    if steering.first(client, [file]).get(file) != appliance:
        return None
    last, died = fleet.kill(appliance)
    while (other := steering.first(client, [file]).get(file)) == appliance:
        time.sleep(0.01)
    moved = time.time()
    why = steering.why(client, file, appliance)
    # It may have failed by itself at the same time, as appliances of the generator do.
    silent = why.get("fault") == "unhealthy" and abs(why["last_report_ms"] / 1e3 - last) < 0.001
    return (moved - died, moved - last - INTERVAL_S, steering.ages) if silent and other else None


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))]


def address_in(log):
    found = [line.split("http://")[1] for line in log.read_text().splitlines() if line.startswith("HTTP ")]
    return found[0].strip() if found else None


def worker_pids(data):
    words = [lock.read_text().split() for lock in (data / "run").glob("*/lock")]
    return [int(w[1]) for w in words if len(w) > 1 and Path(f"/proc/{w[1]}").exists()]


def measure(args, folder, started):
    data, quiet = folder / "d", {**os.environ, "RUST_LOG": "warn"}

    def start(name, *command):
        log = open(folder / f"{name}.log", "wb")
        started.append(subprocess.Popen([args.binary, *command], stdout=log, stderr=log, env=quiet))

    start("up", "up", "--data", data, "--listen", "127.0.0.1:0", "--broker-listen", "127.0.0.1:0",
          "-f", ROOT / "jobs/oca-health")
    until("run.json", (data / "run.json").exists)
    run = json.loads((data / "run.json").read_text())
    token = (data / "admin.token").read_text().strip()
    api = Http(run["http"], token)
    status = "/v1/namespaces/default/jobs/oca-health/status"
    until("the job runs", lambda: api.call("GET", status)[1]["status"]["phase"] == "running")
    start("steering", "serve", "steering", "--kafka", run["kafka"], "--data", folder / "s", "--listen", "127.0.0.1:0")
    address = until("steering listens", lambda: address_in(folder / "steering.log"))
    fleet = Fleet(args.binary, run["http"], token, args.rate, args.seed)
    started.append(fleet.process)
    steering = Http(address)
    enough = 0.9 * args.rate * INTERVAL_S
    until("appliances are up", lambda: steering.call("GET", "/v1/status")[1]["fleet"]["serving"] >= enough)

    chance = random.Random(args.seed)
    appliances = sorted(fleet.reported)
    chance.shuffle(appliances)
    kills = [(name, chance.uniform(0.0, INTERVAL_S)) for name in appliances[: 2 * args.kills]]
    with ThreadPoolExecutor(args.at_once) as pool:
        results = pool.map(lambda kill: one_kill(fleet, address, *kill), kills)
        counted = list(islice(filter(None, results), args.kills))
        pool.shutdown(cancel_futures=True)
    if not counted:
        raise SystemExit("no kill could be measured")
    show = lambda seconds: f"p50 {quantile(seconds, .5):.2f} s, longest {max(seconds):.2f} s"
    died, due, ages = zip(*counted)
    print(f"{len(appliances)} appliances, {len(counted)} of them killed, load {os.getloadavg()[0]:.1f}\n")
    print("| what | measured | asked |\n|---|---|---|")
    print(f"| report due → client sent elsewhere | {show(due)} | ≤ {ASKED_S:.0f} s |")
    print(f"| death → client sent elsewhere | {show(died)} | ≤ {INTERVAL_S + ASKED_S:.0f} s |")
    print(f"| age of the newest report that an answer knows | {show(sum(ages, []))} | |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--rate", type=float, default=60.0, help="reports a second; one appliance makes a fifth of one")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlr-") as folder:
        folder, started = Path(folder), []
        try:
            measure(args, folder, started)
        finally:
            for process in reversed(started):
                process.send_signal(signal.SIGTERM)
            for process in started:
                process.wait(120)
            for pid in worker_pids(folder / "d"):
                os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
