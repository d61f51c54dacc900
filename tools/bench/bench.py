#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""./dev bench: measures the daemon on a simulated bus, beside the limit of the machine and beside
other servers, all in turn, several times; prints a table and keeps everything as JSON.

What is compared was measured within seconds of each other, and compared round by round: a figure is
the median of the rounds, a ratio the median of the rounds' ratios."""

import argparse
import glob
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import report
from servers import Daemon, Diod, Failure, Serve, have_diod

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

SMALL = ["read4k", "write4k", "read64k", "write64k", "getattr", "walk", "create", "mixed"]
LARGE = ["seqread", "seqwrite", "readdir"]
ONE_CALL = ["read4k", "write4k", "read64k", "write64k", "getattr", "seqread", "seqwrite"]
ROWS = SMALL + LARGE

# Loads in Linux' own client, which a lab runs: {top} is the checkout, {build} what was built.
LABS = {
    "uml": ["{top}/tests/uml/lab", "--server", "{build}/tools/xen9pfs-serve", "--programs",
            "{build}/tests/uml", "--quiet", "--seconds", "2", "--rounds", "4", "peers"],
    "xen": ["{top}/tests/xen/lab", "--daemon", "{build}/xen9pfsd/xen9pfsd", "--quiet", "peers"],
}
# Environments of as many labs side by side. An emulated machine has one processor, and counts time by its
# instructions: figures of two do not depend on each other. In the second one QEMU comes first.
SIDE_BY_SIDE = {"uml": [{}], "xen": [{"LAB_ROUNDS": "0 2 4"}, {"LAB_ROUNDS": "1 3 5"}]}
SKIPPED = 77

# depths: of rows whose operations are small, and of the others. slow: depths over slow storage.
PROFILES = {
    "quick": {
        "rows": ["read4k", "write4k", "walk", "create", "seqread", "seqwrite"],
        "small": [1, 32], "large": [4], "slow": [32], "slow_rows": ["read4k"], "delays": [1],
        "rounds": 5, "slow_rounds": 5, "ms": 100, "fids": 1000000, "labs": False,
    },
    "all": {
        "rows": ROWS,
        "small": [1, 4, 8, 16, 32, 64], "large": [1, 4, 16], "slow": [1, 32],
        "slow_rows": ROWS, "delays": [1, 10],
        "rounds": 5, "slow_rounds": 5, "ms": 150, "fids": 1000000, "labs": True,
    },
    "against": {
        "rows": ROWS, "small": [1, 8, 32], "large": [4], "slow": [32], "slow_rows": ["read4k"],
        "delays": [], "rounds": 7, "slow_rounds": 0, "ms": 250, "fids": 0, "labs": False,
    },
}


class Progress:
    """One line that moves, or on no terminal nothing."""

    def __init__(self, steps):
        self.steps = steps
        self.done = 0
        self.start = time.monotonic()

    def step(self, text):
        """Says what comes now, and how much is left."""
        if sys.stderr.isatty():
            passed = time.monotonic() - self.start
            left = passed / self.done * (self.steps - self.done) if self.done else 0
            rest = f", {left:.0f} s left" if left else ""
            print(f"\r\033[K{self.done * 100 // self.steps:3d} %{rest}: {text}", end="",
                  file=sys.stderr, flush=True)
        self.done += 1

    def end(self):
        """The line makes room for what comes."""
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def family(pid):
    """A process and all that descend from it."""
    pids = [pid]
    for pid in pids:
        for children in glob.glob(f"/proc/{pid}/task/*/children"):
            with open(children, encoding="utf-8") as text:
                pids += [int(child) for child in text.read().split()]
    return pids


class Run:
    """One run: its servers, and the samples they gave."""

    def __init__(self, options, profile, work):
        self.options = options
        self.profile = profile
        self.work = work
        self.simulator = os.path.join(options.build, "tools/xen9pfs-sim")
        self.export = options.export or tempfile.mkdtemp(prefix="bench.", dir=options.build)
        self.servers = []
        self.samples = []
        self.failures = []
        self.progress = None
        subprocess.run([self.simulator, "bench-files", self.export], check=True)

    def close(self):
        """Nothing of it is left but the samples."""
        for server in self.servers:
            server.stop()
        shutil.rmtree(os.path.join(self.export, "bench"), ignore_errors=True)
        if not self.options.export:
            shutil.rmtree(self.export, ignore_errors=True)

    def add(self, kind, name, *arguments):
        """Starts a server."""
        server = kind(name, self.simulator, self.work, *arguments)
        self.servers.append(server)
        return server

    def program(self, name, build=None):
        return os.path.join(build or self.options.build, name)

    # ---- one measurement ----

    def sample(self, server, arguments, number, **more):
        """Runs a verb of the simulator, and keeps what it prints."""
        command = [self.simulator] + (server.client if server else []) + arguments
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False)
        if done.returncode != 0:
            raise Failure(f"{' '.join(command)}: {done.stderr}")
        samples = [json.loads(line) for line in done.stdout.splitlines()]
        for sample in samples:
            sample.update(more, target=server.name if server else "none", round=number)
        self.samples += samples
        return samples

    def row(self, server, row, depths, number, *arguments, **more):
        """A row at some depths. Counting system calls takes its time: the first round will do,
        unless they are compared."""
        self.progress.step(f"round {number + 1}: {row} on {server.name}")
        calls = ["--calls"] if number == 0 or self.options.against else []
        self.sample(server, ["bench", "--server", str(server.pid), "--time",
                             str(self.profile["ms"]), "--depth", ",".join(map(str, depths))]
                    + calls + list(arguments) + [row], number, **more)

    def depths(self, row):
        return self.profile["large" if row in LARGE else "small"]

    # ---- system calls ----

    def calls_of(self, server, arguments):
        """(system calls of a server, samples) while a verb runs, from its connecting to its end."""
        file = os.path.join(self.work, "strace")
        strace = subprocess.Popen(["strace", "-f", "-c", "-q", "-o", file] +
                                  [f"--attach={pid}" for pid in family(server.pid)],
                                  stderr=subprocess.DEVNULL)
        time.sleep(0.3)
        before = len(self.samples)
        self.sample(server, arguments, 0)
        samples, self.samples[before:] = self.samples[before:], []
        strace.send_signal(signal.SIGINT)
        strace.wait()
        with open(file, encoding="utf-8") as lines:
            total = [line.split() for line in lines if line.rstrip().endswith(" total")]
        return (int(total[0][3]) if total else 0), samples

    def strace_rounds(self, servers, rows):
        """For where the kernel does not count for us. What connecting takes is not counted."""
        for server in servers:
            idle, _ = self.calls_of(server, ["bench-idle", "--time", "10", "--server",
                                             str(server.pid)])
            if idle == 0:
                return
            for row in rows:
                for depth in self.depths(row):
                    calls, samples = self.calls_of(
                        server, ["bench", "--time", str(self.profile["ms"]), "--depth", str(depth),
                                 row])
                    self.samples.append({
                        "row": row, "depth": depth, "target": server.name, "round": 0,
                        "strace": True, "calls": (calls - idle) / samples[0]["total"]})

    # ---- all of them ----

    def direct(self):
        """Where the simulator works on the files itself."""
        return ["--direct", os.path.join(self.export, "bench")]

    def rounds(self, servers, rows):
        """Every row on every server, by turns; who comes first changes."""
        for number in range(self.profile["rounds"]):
            self.sample(None, ["bench-wake", "--time", str(self.profile["ms"])] + self.direct(),
                        number)
            for row in rows:
                for i in range(len(servers)):
                    server = servers[(i + number) % len(servers)]
                    direct = self.direct() if isinstance(server, Daemon) else []
                    self.row(server, row, self.depths(row), number, *direct)
            if self.options.beside:
                self.beside(number)
        if shutil.which("strace") and not any("calls" in sample for sample in self.samples):
            self.strace_rounds(servers, rows)

    def slow_rounds(self, rows):
        """The rows that are wanted over storage that takes its time."""
        for delay in self.profile["delays"]:
            server = self.add(Daemon, f"xen9pfsd {delay} ms", self.program("tests/xen9pfsd-synth"),
                              self.export, f"all={delay}ms")
            for number in range(self.profile["slow_rounds"]):
                for row in rows:
                    direct = []
                    if row in ONE_CALL:
                        direct = self.direct() + ["--delay", str(delay * 1000)]
                    self.row(server, row, self.profile["slow"], number, *direct, delay_ms=delay)

    def stuck_rounds(self):
        """Others beside a request that takes a second."""
        server = self.add(Daemon, "xen9pfsd stuck", self.program("tests/xen9pfsd-synth"),
                          self.export, "statfs=1s")
        for number in range(self.profile["rounds"]):
            for beside in ([], ["--beside-statfs"]):
                self.progress.step(f"round {number + 1}: beside a request that hangs")
                self.sample(server, ["bench", "--time", "1200", "--depth", "8"] + beside +
                            ["read4k"], number, stuck=bool(beside))

    def singles(self, daemon):
        """What is no load."""
        watched = ["--server", str(daemon.pid)]
        self.progress.step("connecting")
        self.sample(daemon, ["--domid", "9", "bench-connect", "--count", "25"], 0)
        self.progress.step("idling")
        self.sample(daemon, ["bench-idle"] + watched, 0)
        self.progress.step(f"{self.profile['fids']} fids")
        self.sample(daemon, ["bench-fids", "--count", str(self.profile["fids"])] + watched, 0)

    def beside(self, number):
        """Somebody else's measurements of the same servers and files."""
        environment = dict(os.environ, BENCH_EXPORT=self.export)
        for server in self.servers:
            if hasattr(server, "socket"):
                environment["BENCH_SOCKET_" + re.sub(r"\W", "_", server.name)] = server.socket
        done = subprocess.run([self.options.beside], env=environment, stdout=subprocess.PIPE,
                              text=True, check=True)
        for line in done.stdout.splitlines():
            self.samples.append(dict(json.loads(line), round=number))

    def lab(self, name):
        """The case `peers` of a lab. Whatever comes of it, what was measured before is not lost."""
        self.progress.step(f"the lab {name}, for some minutes")
        command = [part.format(top=TOP, build=self.options.build) for part in LABS[name]]
        machines = []
        try:
            for more in SIDE_BY_SIDE[name]:
                # not a pipe: what one says waits until the others have ended
                said = tempfile.TemporaryFile("w+", dir=self.work)
                machines.append((said, subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                                        stdout=said, stderr=subprocess.STDOUT,
                                                        start_new_session=True,
                                                        env=dict(os.environ, **more))))
            for said, machine in machines:
                status = machine.wait()
                said.seek(0)
                self.lab_ended(name, " ".join(command), status, said.read().splitlines())
        finally:
            left = [machine for _, machine in machines if machine.poll() is None]
            for machine in left:  # all are told before one is waited for: there may be no time
                # all of it: a shell does not hear of it before its program ends
                os.killpg(machine.pid, signal.SIGTERM)
            for machine in left:
                machine.wait()
            for said, _ in machines:
                said.close()

    def lab_ended(self, name, command, status, lines):
        """What a lab said: a line that begins with a brace is a figure."""
        said = [line for line in lines if not line.startswith("{")]
        if status == SKIPPED:
            self.progress.end()
            print(f"bench: {name} is not measured: {' '.join(said)}", file=sys.stderr)
            return
        samples = []
        try:
            samples = [json.loads(line) for line in lines if line.startswith("{")]
        except ValueError as error:
            said.append(f"not a figure: {error}")
        if status != 0 or not samples:
            self.failures.append("\n".join([f"{command}: status {status}, {len(samples)} figures"]
                                           + said))
        else:
            self.samples += samples


# ---- what was measured where ----

def output_of(*command):
    """First line of what a program says; empty when it cannot be asked."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True, check=True, cwd=TOP)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return (done.stdout.splitlines() or [""])[0]


def first_match(path, pattern):
    with open(path, encoding="utf-8") as file:
        found = re.search(pattern, file.read(), re.MULTILINE)
    return found.group(1) if found else ""


def kept_arguments(build):
    """What ./dev build was told."""
    try:
        with open(os.path.join(build, ".arguments"), encoding="utf-8") as file:
            return file.read().split()
    except OSError:
        return []


def busy_share(seconds):
    """The part of all processors' time that others use. The load's average would also count what has
    just ended, such as our own building."""
    def times():
        with open("/proc/stat", encoding="ascii") as file:
            values = [int(value) for value in file.readline().split()[1:9]]
        return sum(values), values[3] + values[4]  # idle, waiting for disks

    total, idle = times()
    time.sleep(seconds)
    total_then, idle_then = times()
    return 1 - (idle_then - idle) / max(1, total_then - total)


def describe_machine(run):
    """For people who compare figures of two machines."""
    makefile = os.path.join(run.options.build, "Makefile")
    return {
        "processor": first_match("/proc/cpuinfo", r"^model name\s*: (.*)"),
        "processors": os.cpu_count(),
        "virtual": "hypervisor" in first_match("/proc/cpuinfo", r"^flags\s*: (.*)"),
        "memory_mib": int(first_match("/proc/meminfo", r"^MemTotal:\s*(\d+)") or 0) // 1024,
        "kernel": platform.release(),
        "file_system": output_of("stat", "-f", "-c", "%T", run.export),
        "compiler": output_of(first_match(makefile, r"^CC = (.*)").split()[0], "--version"),
        "flags": first_match(makefile, r"^CFLAGS = (.*)"),
        "diod": output_of("dpkg-query", "-W", "-f", "${Version}", "diod"),
        "busy": busy_share(3),
    }


def revision(name="HEAD"):
    """Its short name, and whether the tree has more than that."""
    text = output_of("git", "rev-parse", "--short", name)
    if name == "HEAD" and text and output_of("git", "status", "--porcelain", "-uno"):
        text += "+"
    return text


# ---- the runs ----

def check_build(build):
    """Figures of a build for tests would be none."""
    for argument in kept_arguments(build):
        if re.match(r"--enable-(sanitizer|crash-points)", argument):
            raise Failure(f"{build} was configured with {argument}: ./dev build '' first")


def build_revision(options, name):
    """The daemon of another revision, in a working tree of its own; with our arguments."""
    commit = output_of("git", "rev-parse", "--short", "--verify", f"{name}^{{commit}}")
    if not commit:
        raise Failure(f"there is no revision {name}")
    tree = os.path.join(options.build, f"revision-{commit}")
    there = os.path.join(tree, "build")
    if not os.path.isdir(tree):
        subprocess.run(["git", "worktree", "prune"], cwd=TOP, check=True)
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", tree, commit], cwd=TOP,
                       check=True)
    print(f"building {commit}", file=sys.stderr)
    os.makedirs(there, exist_ok=True)
    if not os.path.exists(os.path.join(there, "Makefile")):
        subprocess.run(["autoreconf", "-fi"], cwd=tree, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        subprocess.run(["../configure", "-q"] + kept_arguments(options.build), cwd=there,
                       check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "all"], cwd=there, check=True,
                   stdout=subprocess.DEVNULL)
    return commit, there


def run_against(run):
    """This tree's daemon and another revision's, by turns."""
    commit, there = build_revision(run.options, run.options.against)
    rows = run.options.rows or run.profile["rows"]
    run.progress = Progress(2 * len(rows) * run.profile["rounds"])
    old = run.add(Daemon, "then", os.path.join(there, "xen9pfsd/xen9pfsd"), run.export)
    new = run.add(Daemon, "now", run.program("xen9pfsd/xen9pfsd"), run.export)
    run.rounds([old, new], rows)
    return commit


def run_all(run):
    """The daemon beside its limit and its peers, and then in the labs."""
    wanted = run.options.rows
    rows = [row for row in wanted if row in ROWS] if wanted else run.profile["rows"]
    labs = [name for name in LABS if (name in wanted if wanted else run.profile["labs"])]
    if rows:
        run_servers(run, rows)
    else:
        run.progress = Progress(0)
    run.progress.steps += len(labs)
    for server in run.servers:
        server.stop()
    for name in labs:
        run.lab(name)


def run_servers(run, rows):
    """The rows on a simulated bus and on sockets."""
    slow = [row for row in rows if row in run.profile["slow_rows"]]
    daemon = run.add(Daemon, "xen9pfsd", run.program("xen9pfsd/xen9pfsd"), run.export)
    servers = [daemon, run.add(Serve, "xen9pfs-serve", run.program("tools/xen9pfs-serve"),
                               run.export)]
    if have_diod():
        servers.append(run.add(Diod, "diod", run.export))
    singles = not run.options.rows
    run.progress = Progress(
        len(servers) * len(rows) * run.profile["rounds"] +
        len(run.profile["delays"]) * len(slow) * run.profile["slow_rounds"] +
        (2 * run.profile["rounds"] + 3 if singles else 0))
    run.rounds(servers, rows)
    run.slow_rounds(slow)
    if singles:
        run.stuck_rounds()
        run.singles(daemon)


def measure(options):
    """All that a command line asks for; a dictionary for the report."""
    profile = PROFILES["against" if options.against else options.what]
    start = time.monotonic()
    check_build(options.build)
    # The daemon's state is on a tmpfs, as in /run; that is beside a simulated bus.
    memory = "/dev/shm" if output_of("stat", "-f", "-c", "%T", "/dev/shm") == "tmpfs" else None
    with tempfile.TemporaryDirectory(prefix="xen9pfsd-bench.", dir=memory) as work:
        run = Run(options, profile, work)
        try:
            result = {"revision": revision(), "date": time.strftime("%Y-%m-%d"),
                      "profile": "against" if options.against else options.what,
                      "machine": describe_machine(run)}
            if options.against:
                result["against"] = run_against(run)
            else:
                run_all(run)
        finally:
            run.close()
            if run.progress:
                run.progress.end()
    result["seconds"] = round(time.monotonic() - start)
    result["samples"] = run.samples
    result["failures"] = run.failures
    return result


def parse():
    """The command line."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", default="all", choices=["all", "quick", "docs"],
                        help="all (the default), the essence in two minutes, or: make "
                             "docs/performance.md of what was measured last")
    parser.add_argument("--rows", type=lambda text: text.split(","), metavar="ROW,...",
                        help=f"only these, of {', '.join(ROWS + list(LABS))}; and nothing besides "
                             "(uml and xen: loads in Linux' own client, in that lab, which all has "
                             "and quick has not)")
    parser.add_argument("--against", metavar="REVISION",
                        help="compare this tree's daemon with another revision's")
    parser.add_argument("--export", metavar="DIR",
                        help="directory to serve (a new one in the build directory)")
    parser.add_argument("--beside", metavar="PROGRAM",
                        help="measures more, once in a round: finds the sockets of the servers and "
                             "the export in BENCH_*, and prints JSON as xen9pfs-sim bench does, "
                             "with a \"target\"")
    parser.add_argument("--json", metavar="FILE", help="the result (build/bench.json)")
    parser.add_argument("--build", default=os.path.join(TOP, "build"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    options.json = options.json or os.path.join(options.build, "bench.json")
    for row in options.rows or []:
        if row not in ROWS + list(LABS):
            parser.error(f"no row \"{row}\"")
        if row in LABS and options.against:
            parser.error(f"{row} compares no revisions")
    return options


def main():
    """Measures or reads, then reports."""
    options = parse()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, signal.default_int_handler)
    try:
        if options.what == "docs":
            with open(options.json, encoding="utf-8") as file:
                result = json.load(file)
            if not any(sample["target"] == report.RINGS for sample in result["samples"]):
                raise Failure(f"{options.json} has only labs: no page is made of these alone")
            report.write_docs(result, os.path.join(TOP, "docs"))
            return 0
        result = measure(options)
    except (Failure, OSError, subprocess.CalledProcessError) as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    with open(options.json, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
    print(report.comparison(result) if options.against else report.terminal(result))
    for failure in result["failures"]:
        print(f"bench: {failure}", file=sys.stderr)
    return 1 if result["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
