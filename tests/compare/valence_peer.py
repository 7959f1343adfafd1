#!/usr/bin/env python3
"""Valence as a driver of the comparison: all over HTTP, by an API process of its own, whose CPU counts as the client's.

valence_peer.py produce bulk|one N SLEEP_MS | latency N MODE    (REDIS_URL, VALENCE_BIN)
Prints one line of JSON: n, seconds, per_s, cpu_s; or n, p50_ms, p99_ms, max_ms. The queue's own guarantees stay on: every task has a
record, an index entry, events and an audit line, and is in Redis before its request is answered."""
import http.client
import json
import os
import socket
import subprocess
import sys
import time

PAD = "x" * 165
BATCH = 1000


def task(n, sleep_ms):
    """About 200 bytes of JSON; a task that gives its payload back, or waits first."""
    if sleep_ms:
        return {"kind": "sleep", "params": {"ms": sleep_ms}, "labels": {"pad": PAD}}
    return {"kind": "noop", "params": {"payload": {"i": n, "sleep_ms": 0, "pad": PAD}}}


class Api:
    """An API process on a free port, and one connection to it."""

    def __enter__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [f"{os.environ['VALENCE_BIN']}/valence-api", "--redis", os.environ["REDIS_URL"], "--enable-test-kinds"]
        self.process = subprocess.Popen(command + ["--listen", f"127.0.0.1:{self.port}"], stdout=subprocess.DEVNULL,
                                        env=dict(os.environ, VALENCE_LOG="warn"))
        deadline = time.monotonic() + 20
        while True:
            try:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                self.connection.connect()
                self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.ask("GET", "/readyz")
                return self
            except (OSError, RuntimeError, http.client.HTTPException):
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.01)

    def __exit__(self, *_):
        self.connection.close()
        self.process.kill()
        self.process.wait()

    def ask(self, method, path, body=None):
        headers = {"Content-Type": "application/json", "Prefer": "respond-async"} if body else {}
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status not in (200, 202):
            raise RuntimeError(f"{method} {path} answered {answer.status}: {text[:300]!r}")
        return text

    def cpu(self):
        """CPU seconds of this process and of the API."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        own = os.times()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") + own.user + own.system


def produce(api, how, count, sleep_ms):
    cpu, began = api.cpu(), time.perf_counter()
    if how == "bulk":
        for start in range(0, count, BATCH):
            tasks = [task(n, sleep_ms) for n in range(start, min(count, start + BATCH))]
            made = json.loads(api.ask("POST", "/v1/tasks/batch", json.dumps({"tasks": tasks})))["tasks"]
            if any("error" in one for one in made):
                raise RuntimeError(f"refused: {made[:3]}")
    else:
        for n in range(count):
            api.ask("POST", "/v1/tasks", json.dumps(task(n, sleep_ms)))
    seconds = time.perf_counter() - began
    return {"n": count, "seconds": round(seconds, 5), "per_s": round(count / seconds, 1), "cpu_s": api.cpu() - cpu}


def latency(api, count):
    """From before the POST to after the answer that shows the task completed."""
    times = []
    for n in range(count + 5):
        began = time.perf_counter()
        made = json.loads(api.ask("POST", "/v1/tasks", json.dumps(task(n, 0))))
        ended = json.loads(api.ask("GET", f"/v1/tasks/{made['id']}?wait=20"))
        if ended["status"] != "Completed":
            raise RuntimeError(f"the task is {ended['status']}")
        if n >= 5:
            times.append((time.perf_counter() - began) * 1e3)
    times.sort()
    return {"n": count, "p50_ms": times[count // 2], "p99_ms": times[int(count * 0.99)], "max_ms": times[-1]}


def main():
    with Api() as api:
        if sys.argv[1] == "produce":
            answer = produce(api, sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
        else:
            answer = latency(api, int(sys.argv[2]))
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
