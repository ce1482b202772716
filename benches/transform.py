#!/usr/bin/env python3
"""Transforms beside their peers, in turn: the same bytes, in one run.

    benches/tools
    target/tools/bin/python benches/transform.py [ROUNDS [ROWS]] [--only W1|W2|W3] [--peers NAMES|none] [--program PATH] [--json]

W1 filters, renames, moves to another zone and hashes rows, with and without expectations. W2 does the same, keeps the
latest row of each user and course, and sorts. W3 joins rows with a file of users and adds them up by branch. 5 rounds of
a million rows by default. Beside DuckDB, Polars, pandas and Miller; what they write must be, byte for byte, what ours
writes. Prints medians of wall time, CPU time and peak memory, and ours divided by each peer's, whose start-up is taken
off its times (below 1: ours is less).
"""
import argparse
import filecmp
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import built
import transform_peers
from transform_workloads import WITH_EXPECTATIONS, WORKLOADS

SETTINGS = "destinations: {out: {local: {path: out}}}\n"
MEASURES = ("wall_s", "cpu_s", "peak_mib")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rounds", nargs="?", type=int, default=5)
    parser.add_argument("rows", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--only", choices=[workload.name for workload in WORKLOADS])
    parser.add_argument("--peers", default=",".join(transform_peers.SCRIPTS), help="names with commas, or none")
    parser.add_argument("--program", help="the bench `transform`, already built")
    parser.add_argument("--json", action="store_true", help="JSON in place of the tables")
    given = parser.parse_args()
    given.peers = [] if given.peers == "none" else given.peers.split(",")
    if unknown := set(given.peers) - set(transform_peers.SCRIPTS):
        parser.error(f"no peer {', '.join(unknown)}: there are {', '.join(transform_peers.SCRIPTS)}")
    return given


def measure(command, folder, output=None):
    """Returns wall seconds, CPU seconds and MiB. GNU time, whose child the command is, weighs it: a process that is started
    by a large one counts that one's memory as its own peak."""
    weighed = folder / "weighed"
    with open(output or os.devnull, "wb") as stdout:
        started = time.monotonic()
        process = subprocess.Popen(["/usr/bin/time", "-q", "-f", "%M", "-o", weighed, *command], stdout=stdout)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
    if status != 0:
        sys.exit(f"{command[0]} failed")
    return wall, usage.ru_utime + usage.ru_stime, int(weighed.read_text()) / 1024


def run(workload, peers, program, folder, given):
    """Returns what was measured: medians by client, and the ratios of ours to each peer."""
    source, ours, theirs = workload.generate(folder, given.rows), folder / "ours.csv", folder / "theirs.csv"
    commands = {}
    for name, text in workload.pipelines.items():
        pipeline = folder / f"{name.replace(' ', '_')}.yaml"
        pipeline.write_text(text)
        commands[name] = [program, folder / "reportferry.yaml", pipeline, ours]
    measured = {name: [] for name in [*commands, *(peer.name for peer in peers)]}
    started = {peer.name: [] for peer in peers}
    for _ in range(given.rounds):
        for name, command in commands.items():
            measured[name].append(measure(command, folder))
        for peer in peers:
            started[peer.name].append(measure(peer.start_up(workload.name), folder))
            command, output = peer.command(workload.name, source, theirs)
            measured[peer.name].append(measure(command, folder, output))
            if not filecmp.cmp(ours, theirs, shallow=False):
                sys.exit(f"{workload.name}: the outputs of ours and {peer.name} differ")
            theirs.unlink()
    clients = {name: medians(runs) for name, runs in measured.items()}
    if WITH_EXPECTATIONS in clients:
        clients[WITH_EXPECTATIONS]["ratio_to_ours"] = ratio(clients[WITH_EXPECTATIONS], clients["ours"])
    for peer in peers:
        client, start_up = clients[peer.name], medians(started[peer.name])
        work = {key: client[key] - (start_up[key] if key != "peak_mib" else 0) for key in MEASURES}
        client |= {"version": peer.version, "start_up": start_up, "ratio": ratio(clients["ours"], work)}
    return {"workload": workload.name, "title": workload.title, "rows": given.rows, "bytes": source.stat().st_size,
            "rounds": given.rounds, "clients": clients}


def medians(runs):
    return {key: statistics.median(column) for key, column in zip(MEASURES, zip(*runs))}


def ratio(one, other):
    """Returns null where so few rows were measured that the start-up is all of the peer's time."""
    return {key: one[key] / other[key] if other[key] > 0 else None for key in MEASURES}


def shown(value):
    return "     –" if value is None else f"{value:6.3f}"


def print_table(result):
    print("{workload}: {title}. {rows:,} rows, {0:.0f} MB, {rounds} rounds, in turn".format(result["bytes"] / 1e6, **result))
    print(f"{'':18} {'wall s':>8} {'CPU s':>8} {'peak MiB':>9} {'start-up s':>11}   ours / it: {'wall':>6} {'CPU':>6} {'peak':>6}")
    for name, client in result["clients"].items():
        line = "{:18} {wall_s:8.3f} {cpu_s:8.3f} {peak_mib:9.1f}".format(f"{name} {client.get('version', '')}", **client)
        if "ratio" in client:
            line += f" {client['start_up']['wall_s']:11.3f} {'':13} {' '.join(map(shown, client['ratio'].values()))}"
        print(line)
    if with_expectations := result["clients"].get(WITH_EXPECTATIONS):
        print("with expectations / ours: wall {wall_s:.3f}, CPU {cpu_s:.3f}, peak {peak_mib:.3f}".format(
            **with_expectations["ratio_to_ours"]))
    print(flush=True)


def main():
    given = arguments()
    peers = transform_peers.peers(given.peers)
    transform_peers.said("/usr/bin/time", "--version")
    program = given.program or built.bench("transform")
    results = []
    for workload in WORKLOADS:
        if given.only not in (None, workload.name):
            continue
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "reportferry.yaml").write_text(SETTINGS)
            results.append(run(workload, peers, program, folder, given))
        if not given.json:
            print_table(results[-1])
    if given.json:
        print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
