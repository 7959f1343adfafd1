#!/usr/bin/env python3
"""Measures Valence beside other queues: joins it, as one more driver, to a bench that has drivers of others.

compare.py PEERS_DIR OUT.json [--rounds R] [--peers FLOOR,valence,bullmq,...] [--stages enqueue,drain,latency,io] [--aof]
The bench is PEERS_DIR/bench.py, whose table PEERS says of each queue how to enqueue, work, wait and count. SCRATCH and PORT as it
wants them; VALENCE_BIN is where this build's executables are."""
import importlib.util
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def join(bench, programs):
    """Adds Valence to the bench's table. One worker process, as for the others; its slots are its default, 64."""
    driver = [sys.executable, f"{HERE}/valence_peer.py"]
    worker = [f"{programs}/valence-worker", "--redis", bench.URL, "--topic", "compute", "--enable-test-kinds"]
    bench.PEERS["valence"] = dict(
        produce=driver + ["produce"],
        lat=driver + ["latency"],
        worker=lambda slots: (worker + ["--listen", "127.0.0.1:0", "--concurrency", str(slots)], {"VALENCE_LOG": "warn"}),
        done=lambda redis, _produced: redis.zcard("vl:{b00}:done"),
        n=max(50, int(20_000 * bench.SCALE)),
        n_one=max(50, int(3_000 * bench.SCALE)),
        conc=64,
        modes={"default": max(10, int(1_000 * bench.SCALE))},
    )


def main():
    peers = os.path.abspath(sys.argv[1])
    sys.argv = [f"{peers}/bench.py"] + sys.argv[2:]
    sys.path.insert(0, peers)
    spec = importlib.util.spec_from_file_location("bench", f"{peers}/bench.py")
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    join(bench, os.environ["VALENCE_BIN"])
    bench.main()


if __name__ == "__main__":
    main()
