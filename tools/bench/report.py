# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the samples of a run say: marks, tables, plots."""

import os
import statistics
import subprocess

TITLES = {
    "read4k": "4 KiB random read, cached",
    "write4k": "4 KiB random write",
    "read64k": "64 KiB random read, cached",
    "write64k": "64 KiB random write",
    "seqread": "512 KiB sequential read, cached",
    "seqwrite": "512 KiB sequential write",
    "getattr": "getattr",
    "walk": "walk + getattr + clunk",
    "create": "create + write + close + unlink",
    "readdir": "list 10,000 entries",
    "mixed": "mixed",
}
RINGS, SOCKET, PEER = "xen9pfsd", "xen9pfs-serve", "diod"
# What the labs measure: ours and theirs; and the figures that a row there has one of.
UML = ("uml xen9pfs-serve", "uml diod")
XEN = ("xen xen9pfsd", "xen qemu")
LIMIT = "xen directly" # in dom0, by nobody's server
LAB_FIGURES = {"ops_s": "ops/s", "mib_s": "MiB/s", "seconds": "s"}


# ---- statistics ----

def median(values):
    """None of nothing."""
    return statistics.median(values) if values else None


def spread(values):
    """The middle half of the values, in parts of their median."""
    if len(values) < 4 or not median(values):
        return 0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / median(values)


class Samples:
    """The samples of a run, to be asked."""

    def __init__(self, samples):
        self.all = samples

    def of(self, **wanted):
        return [s for s in self.all if all(s.get(k) == v for k, v in wanted.items())]

    def values(self, figure, **wanted):
        """One figure, "direct.cpu_us" of those inside, of all rounds that have it."""
        found = []
        for sample in self.of(**wanted):
            value = sample
            for part in figure.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            if value is not None:
                found.append(value)
        return found

    def median(self, figure, **wanted):
        return median(self.values(figure, **wanted))

    def ratios(self, figure, over, base, **wanted):
        """By round, of two targets: figure of `over` by that of `base`."""
        ratios = []
        for sample in self.of(target=over, **wanted):
            other = self.values(figure, target=base, round=sample["round"],
                                **{key: sample[key] for key in ("row", "depth")})
            if other and other[0] and figure in sample:
                ratios.append(sample[figure] / other[0])
        return ratios

    def distinct(self, key, **wanted):
        """In the order of appearance."""
        return list(dict.fromkeys(s[key] for s in self.of(**wanted) if key in s))


# ---- marks ----

class Mark:
    """A promise, and the figure that tells whether it is kept."""

    def __init__(self, text, figures, limit, at_least=False, unit=""):
        self.text = text
        self.value = median(figures)
        self.spread = spread(figures)
        self.limit = limit
        self.at_least = at_least
        self.unit = unit

    def holds(self):
        """None: not measured."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def cells(self):
        sign = ">=" if self.at_least else "<="
        verdict = {None: "-", True: "holds", False: "MISSED"}[self.holds()]
        return [self.text, f"{sign} {self.limit:g}{self.unit}",
                "not measured" if self.value is None else f"{number(self.value)}{self.unit}",
                f"{self.spread * 100:.0f} %" if self.spread else "", verdict]


def over_direct(samples, figure, limit="direct", **wanted):
    """Server by limit ("direct" or "shared"), sample by sample."""
    return [s[figure] / s[limit][figure] for s in samples.of(target=RINGS, **wanted)
            if s.get(limit, {}).get(figure)]


def round_trips(samples):
    """Of a 4 KiB read, by that of a bare event to a server that polls, reads directly and answers by
    an event. (The client sleeps meanwhile, as a guest does: most of it is to wake it up.)"""
    ratios = []
    for s in samples.of(target=RINGS, row="read4k", depth=1):
        bare = samples.median("reading_p50_us", row="wake", round=s["round"])
        if bare and "p50_us" in s:
            ratios.append(s["p50_us"] / bare)
    return ratios


def beside_stuck(samples):
    """p99 beside a request that hangs, by p99 without it, in the same round."""
    ratios = []
    for s in samples.of(stuck=True):
        alone = samples.median("p99_us", stuck=False, round=s["round"])
        if alone:
            ratios.append(s["p99_us"] / alone)
    return ratios


class LabRow:
    """A row of a lab: ours and theirs, and by round how many times as good ours is."""

    KEYS = ("row", "depth", "storage", "guests")

    def __init__(self, samples, targets, key):
        self.key = dict(zip(self.KEYS, key))
        self.figure = next((f for f in LAB_FIGURES if any(samples.values(f, **self.key, target=t)
                                                          for t in targets)), None)
        self.ours, self.theirs = (samples.values(self.figure or "", **self.key, target=t)
                                  for t in targets)
        self.ratios = []
        for number in samples.distinct("round", **self.key, target=targets[0]):
            pair = [samples.median(self.figure, **self.key, target=t, round=number)
                    for t in targets]
            if self.figure == "seconds":
                pair.reverse()
            if pair[0] and pair[1]:
                self.ratios.append(pair[0] / pair[1])

    def is_over(self, storage, depths):
        return self.key["storage"] == storage and self.key["depth"] in depths

    def all_rounds(self):
        return f"{min(self.ratios):.2f} to {max(self.ratios):.2f}" if self.ratios else "-"


def lab_rows(samples, targets):
    """In the order of appearance. What a lab does not tell is None."""
    keys = [tuple(sample.get(key) for key in LabRow.KEYS) for sample in samples.all
            if sample["target"] in targets]
    return [LabRow(samples, targets, key) for key in dict.fromkeys(keys)]


def least(rows):
    """The least of the rows' medians; nothing of nothing."""
    ratios = [median(row.ratios) for row in rows if row.ratios]
    return [min(ratios)] if ratios else []


def in_labs(samples):
    """What Linux' own client makes of both servers, there and there."""
    uml, xen = lab_rows(samples, UML), lab_rows(samples, XEN)
    return [
        Mark("User-Mode Linux: by diod's, least of all rows", least(uml), 1.0, True),
        Mark("Xen: by QEMU's, least of all rows", least(xen), 1.0, True),
        Mark("Xen: by QEMU's, depth 8 and more, storage in memory, least",
             least(row for row in xen if row.is_over("memory", range(8, 1000))), 1.5, True),
        Mark("Xen: by QEMU's, depth 32, 1 ms storage, least",
             least(row for row in xen if row.is_over("1 ms", [32])), 4.0, True),
        Mark("Xen: by QEMU's, depth 32, 4 ms storage, least",
             least(row for row in xen if row.is_over("4 ms", [32])), 8.0, True),
    ]


def against_peer(samples):
    """A mark for each row, over its depths, and one for the least of all."""
    marks = []
    all_ratios = []
    for row in samples.distinct("row", target=PEER):
        by_depth = [median(samples.ratios(throughput(row), SOCKET, PEER, row=row, depth=depth))
                    for depth in samples.distinct("depth", target=PEER, row=row)]
        by_depth = [ratio for ratio in by_depth if ratio]
        all_ratios += by_depth
        marks.append(Mark(f"{TITLES[row]}: throughput by diod's, median of the depths", by_depth,
                          1.5, True))
    if all_ratios:
        marks.append(Mark("throughput by diod's, least of all rows and depths", [min(all_ratios)],
                          1.0, True))
    return marks


def marks_of(samples):
    """All of them, in the order of the design."""
    fids = samples.of(row="fids")
    marks = [
        Mark("4 KiB read, depth 32: server CPU by direct",
             over_direct(samples, "cpu_us", row="read4k", depth=32), 1.5),
        Mark("4 KiB read, depth 32: server CPU by direct into memory that another processor reads",
             over_direct(samples, "cpu_us", "shared", row="read4k", depth=32), 1.5),
        Mark("4 KiB read, depth 1: round trip by (bare ping-pong with polling and direct read)",
             round_trips(samples), 1.3),
        Mark("512 KiB sequential read, depth 4: bandwidth by direct",
             over_direct(samples, "mib_s", row="seqread", depth=4), 0.8, True),
        Mark("512 KiB sequential read, depth 4: the same, memory used by another processor, too",
             over_direct(samples, "mib_s", "shared", row="seqread", depth=4), 0.8, True),
        Mark("512 KiB sequential write, depth 4: bandwidth by direct",
             over_direct(samples, "mib_s", row="seqwrite", depth=4), 0.8, True),
        Mark("512 KiB sequential write, depth 4: the same, memory used by another processor, too",
             over_direct(samples, "mib_s", "shared", row="seqwrite", depth=4), 0.8, True),
        Mark("walk + getattr + clunk, depth 32: server CPU by direct",
             over_direct(samples, "cpu_us", row="walk", depth=32), 1.6),
        Mark("4 KiB read, depth 32, 1 ms storage: operations by 32,000/s",
             [v / 32000 for v in samples.values("ops_s", row="read4k", depth=32, delay_ms=1)],
             0.9, True),
        Mark("4 KiB read, depth 32, 1 ms storage: operations by those of 32 threads, directly",
             [s["ops_s"] / s["direct"]["ops_s"]
              for s in samples.of(row="read4k", depth=32, delay_ms=1) if "direct" in s], 0.9, True),
        Mark("depth 8 beside a request stuck for 1 s: p99 by undisturbed", beside_stuck(samples),
             2.0),
        Mark("4 KiB read, depth 32: events by replies",
             samples.values("events_reply", target=RINGS, row="read4k", depth=32), 0.1),
        Mark("idle share: wake-ups per second", samples.values("wakeups_s", row="idle"), 0),
        Mark("device added to connected, without the guest's part, median",
             [v / 1000 for v in samples.values("p50_us", row="connect")], 10, unit=" ms"),
        Mark("1,000,000 fids: bytes for each", [f["bytes_each"] for f in fids], 200),
        Mark("1,000,000 fids: making one, by making an early one",
             [f["walk_many_us"] / f["walk_few_us"] for f in fids], 1.2),
        Mark("1,000,000 fids: getattr of any, by getattr of one of few",
             [f["getattr_many_us"] / f["getattr_few_us"] for f in fids], 1.2),
    ]
    return marks + against_peer(samples) + in_labs(samples)


# ---- tables ----

def number(value):
    """Three digits that count."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.01 or value == 0 else f"{value:.1g}"


def throughput(row):
    """The figure by which a row's servers are compared: bytes, where messages differ in size."""
    return "mib_s" if row in ("seqread", "seqwrite", "read64k", "write64k") else "ops_s"


class Table:
    """Columns of text: the first to the left, the others to the right."""

    def __init__(self, *heads):
        self.rows = [list(heads)]

    def add(self, *cells):
        self.rows.append([cell if isinstance(cell, str) else number(cell) for cell in cells])

    def text(self):
        widths = [max(len(row[i]) for row in self.rows) for i in range(len(self.rows[0]))]
        return "\n".join("  ".join([row[0].ljust(widths[0])] + [
            cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]).rstrip()
            for row in self.rows)

    def markdown(self):
        lines = ["| " + " | ".join(row) + " |" for row in self.rows]
        rule = "|---|" + "--:|" * (len(self.rows[0]) - 1)
        return "\n".join([lines[0], rule] + lines[1:])


def table_of_marks(samples):
    table = Table("mark", "wanted", "measured", "spread", "")
    for mark in marks_of(samples):
        table.add(*mark.cells())
    return table


def table_of_rings(samples):
    """The daemon, beside the limit."""
    table = Table("row", "depth", "ops/s", "MiB/s", "p50 us", "p99 us", "p99.9 us", "CPU us",
                  "direct ops/s", "direct CPU us", "shared CPU us", "calls", "switches", "events/reply", "spread")
    for row in samples.distinct("row", target=RINGS):
        if row not in TITLES:
            continue
        for depth in samples.distinct("depth", target=RINGS, row=row):
            def middle(figure, wanted={"target": RINGS, "row": row, "depth": depth}):
                return samples.median(figure, **wanted)
            noise = spread(samples.values("ops_s", target=RINGS, row=row, depth=depth))
            table.add(row, str(depth), middle("ops_s"), middle("mib_s"), middle("p50_us"),
                      middle("p99_us"), middle("p999_us"), middle("cpu_us"),
                      middle("direct.ops_s"), middle("direct.cpu_us"),
                      middle("shared.cpu_us"), middle("calls"), middle("switches"), middle("events_reply"), f"{noise * 100:.0f} %")
    return table


def table_of_peers(samples):
    """On a socket, beside the other server."""
    table = Table("row", "depth", "serve", "diod", "ratio", "p99 us", "diod p99 us", "CPU us",
                  "diod CPU us", "spread")
    for row in samples.distinct("row", target=PEER):
        for depth in samples.distinct("depth", target=PEER, row=row):
            figure = throughput(row)
            where = {"row": row, "depth": depth}
            ratios = samples.ratios(figure, SOCKET, PEER, **where)
            table.add(f"{row}, {'MiB/s' if figure == 'mib_s' else 'ops/s'}", str(depth),
                      samples.median(figure, target=SOCKET, **where),
                      samples.median(figure, target=PEER, **where), median(ratios),
                      samples.median("p99_us", target=SOCKET, **where),
                      samples.median("p99_us", target=PEER, **where),
                      samples.median("cpu_us", target=SOCKET, **where),
                      samples.median("cpu_us", target=PEER, **where),
                      f"{spread(ratios) * 100:.0f} %")
    return table


def table_of_slow(samples):
    """Over storage that sleeps."""
    table = Table("row", "delay", "depth", "ops/s", "p50 ms", "p99 ms", "CPU us", "direct ops/s",
                  "direct CPU us", "spread")
    for delay in samples.distinct("delay_ms"):
        for row in samples.distinct("row", delay_ms=delay):
            for depth in samples.distinct("depth", delay_ms=delay, row=row):
                where = {"delay_ms": delay, "row": row, "depth": depth}
                table.add(row, f"{delay} ms", str(depth), samples.median("ops_s", **where),
                          samples.median("p50_us", **where) / 1000,
                          samples.median("p99_us", **where) / 1000,
                          samples.median("cpu_us", **where),
                          samples.median("direct.ops_s", **where),
                          samples.median("direct.cpu_us", **where),
                          f"{spread(samples.values('ops_s', **where)) * 100:.0f} %")
    return table


def table_of_lab(samples, targets, *names):
    """In Linux' own client. A ratio is turned so that more than 1 is better for us."""
    rows = lab_rows(samples, targets)
    more = [key for key in ("storage", "guests") if any(row.key[key] for row in rows)]
    limit = [LIMIT] if samples.of(target=LIMIT) and targets == XEN else []
    table = Table("row", "depth", *more, *names, "ratio", "all rounds",
                  *("directly" for _ in limit))
    for row in rows:
        table.add(f"{row.key['row']}, {LAB_FIGURES.get(row.figure, '-')}", str(row.key["depth"]),
                  *(str(row.key[key] or "-") for key in more), median(row.ours),
                  median(row.theirs), median(row.ratios), row.all_rounds(),
                  *(samples.median(row.figure, **row.key, target=target) for target in limit))
    return table


def table_of_others(samples):
    """Whatever a program beside has measured."""
    known = ("none", RINGS, SOCKET, PEER, "uml", "xen")
    table = Table("row", "of", "ops/s", "MiB/s", "p50 us", "p99 us")
    for sample in samples.all:
        key = {"row": sample["row"], "target": sample["target"]}
        if sample["target"].split()[0] in known or sample["round"] > 0:
            continue
        table.add(sample["row"], sample["target"], samples.median("ops_s", **key),
                  samples.median("mib_s", **key), samples.median("p50_us", **key),
                  samples.median("p99_us", **key))
    return table


def sections(result):
    """(title, table) of all that there is."""
    samples = Samples(result["samples"])
    tables = [
        ("Marks", table_of_marks(samples)),
        ("On rings, and directly", table_of_rings(samples)),
        ("On a unix socket, and diod there", table_of_peers(samples)),
        ("Over slow storage", table_of_slow(samples)),
        ("In Linux' own client, and diod there", table_of_lab(samples, UML, "serve", "diod")),
        ("On real Xen (emulated), and QEMU's backend there",
         table_of_lab(samples, XEN, "xen9pfsd", "QEMU")),
        ("Beside", table_of_others(samples)),
    ]
    return [(title, table) for title, table in tables if len(table.rows) > 1]


def machine_text(result):
    """In one sentence or two."""
    machine = result["machine"]
    text = (f"Revision {result['revision']}, {result['date']}, ./dev bench {result['profile']} "
            f"({result['seconds']} s). {machine['processors']} x {machine['processor']}"
            f"{' (virtual)' if machine['virtual'] else ''}, {machine['memory_mib']} MiB, "
            f"Linux {machine['kernel']}, export on {machine['file_system']}, "
            f"{machine['compiler']} {machine['flags']}, diod {machine['diod'] or 'not there'}.")
    if machine["busy"] > 0.05:
        text += (f" THE MACHINE WAS NOT IDLE before the run ({machine['busy']:.0%} of its processors' "
                 "time): the figures are no good for comparison with others.")
    return text


def calls_text(result):
    """How system calls were counted."""
    samples = Samples(result["samples"])
    if samples.of(strace=True):
        return ("System calls: strace -c, in a run of its own and about; without root, or tracefs, "
                "there is no better.")
    if samples.values("calls"):
        return "System calls: the kernel's tracepoint sys_enter, in a window of its own."
    return "System calls were not counted: that needs root and tracefs, or strace."


def terminal(result):
    """All tables, for people."""
    parts = [machine_text(result), calls_text(result)]
    for title, table in sections(result):
        parts.append(f"== {title}\n{table.text()}")
    return "\n\n".join(parts)


# ---- two revisions ----

FIGURES = [("ops_s", "ops/s"), ("p50_us", "p50"), ("p99_us", "p99"), ("cpu_us", "CPU"),
           ("events_reply", "events/reply"), ("calls", "calls")]
LEAST_CHANGE = 0.02


def is_change(ratios):
    """Every round says so, and it is worth a word."""
    return (len(ratios) >= 5 and abs(median(ratios) - 1) >= LEAST_CHANGE and
            (min(ratios) > 1 or max(ratios) < 1))


def comparison(result):
    """What differs between "then" and "now", beyond the noise."""
    samples = Samples(result["samples"])
    table = Table("changed", "depth", "figure", "then", "now", "ratio", "all rounds")
    same = 0
    for row in samples.distinct("row", target="now"):
        for depth in samples.distinct("depth", target="now", row=row):
            for figure, name in FIGURES:
                where = {"row": row, "depth": depth}
                ratios = samples.ratios(figure, "now", "then", **where)
                if not ratios:
                    continue
                if not is_change(ratios):
                    same += 1
                    continue
                table.add(row, str(depth), name, samples.median(figure, target="then", **where),
                          samples.median(figure, target="now", **where), f"{median(ratios):.3f}",
                          f"{min(ratios):.2f} to {max(ratios):.2f}")
    text = [machine_text(result), f"then: {result['against']}, now: {result['revision']}"]
    if len(table.rows) > 1:
        text.append(table.text())
    text.append(f"{same} other figures did not change by more than "
                f"{LEAST_CHANGE * 100:.0f} % in every round.")
    return "\n\n".join(text)


# ---- the page ----

INTRODUCTION = """# Performance

Made by `./dev bench` and `./dev bench docs`; not to be edited. {machine}

A guest is simulated as Linux' frontend behaves: two rings of order 9, a request on the ring that its tag
says, one event for each request, one thread for each ring's replies. Beside each figure stands the limit
of the machine, measured in the same second: the same work on the same files, by system calls, with the
bytes copied once. There the copy goes to memory that nobody else touches and stays in one processor's
cache; *shared* is the same call in memory as large as a ring, whose bytes another processor takes out, or
puts in, in between, as a guest does. diod and `xen9pfs-serve` serve the same files to the same client on a unix socket, by
turns. Every figure is the median of {rounds} rounds; *spread* is the middle half of them, in
parts of the median; a ratio is the median of the rounds' ratios. *CPU* is what all processes of the
server use for one operation. {calls}

Slow storage sleeps before each call. *Directly* it is used by a thread for each operation, which sleeps
and then makes the one call; work of several calls has no such figure.

Why marks are missed, and how far from the floor: [architecture.md](architecture.md), "What a request
costs".
"""
LABS = """In the labs Linux' own 9P client asks: programs as people run them, on a share of each server. There a
ratio of more than 1 is better for ours, also where seconds are counted."""
OF_LABS = (
    (UML, "In User-Mode Linux the servers take turns, in {rounds} rounds."),
    (XEN, """In guests of an emulated Xen, which boot for one server and then for the other, there are
{rounds} rounds, half of them on a machine where QEMU comes first. Time is what that machine's one
processor counts by its instructions, for dom0 and guests together, and *directly* is the same work
in dom0, without guest and server."""),
)

PLOTS = [
    ("throughput", "Operations per second over depth", "ops_s", False),
    ("latency", "Latency over depth: median (thick), 99th of 100 (thin); microseconds", "p50_us",
     True),
]
LINES = [(RINGS, "rings", "#1f5fa8"), (SOCKET, "socket", "#3a9a5a"), (PEER, "diod", "#c0562e")]


def gnuplot_data(samples, figure, row):
    """A block of data for each server that has the row: depth and figures."""
    blocks = []
    for target, label, colour in LINES:
        points = []
        for depth in sorted(samples.distinct("depth", target=target, row=row)):
            where = {"target": target, "row": row, "depth": depth}
            points.append((depth, samples.median(figure, **where),
                           samples.median("p99_us", **where)))
        if points:
            blocks.append((label, colour, points))
    return blocks


def gnuplot_row(samples, row, figure, high):
    """The commands for one picture of many."""
    commands, plots = [], []
    for i, (label, colour, points) in enumerate(gnuplot_data(samples, figure, row)):
        commands += [f"$data{i} << END"] + [" ".join(map(str, p)) for p in points] + ["END"]
        plots.append(f"$data{i} using 1:2 with linespoints lw 2 pt 7 ps 0.4 lc rgb '{colour}' "
                     f"title '{label}'")
        if high:
            plots.append(f"$data{i} using 1:3 with lines lw 0.7 lc rgb '{colour}' notitle")
    direct = samples.median(f"direct.{figure}", target=RINGS, row=row)
    if direct:
        plots.append(f"{direct} with lines dt 2 lc rgb '#808080' title 'direct, one thread'")
    return commands + [f"set title '{TITLES[row]}'", "plot " + ", ".join(plots)]


def gnuplot(samples, path, title, figure, high):
    """One page of small pictures."""
    rows = [row for row in samples.distinct("row", target=RINGS) if row in TITLES]
    lines = (len(rows) + 2) // 3
    commands = [
        f"set terminal svg size 960,{40 + 230 * lines} font 'sans,10' background 'white'",
        f"set output '{path}'",
        f"set multiplot layout {lines},3 title '{title}'",
        "set logscale x 2", "set logscale y 10", "set xrange [0.9:70]",
        "set key top left font ',8' samplen 1",
        "set grid lc rgb '#e0e0e0'", "set format y '%.0s%c'", "set xtics 2",
    ]
    for row in rows:
        commands += gnuplot_row(samples, row, figure, high)
    commands.append("unset multiplot")
    subprocess.run(["gnuplot"], input="\n".join(commands) + "\n", text=True, check=True)


def write_docs(result, directory):
    """performance.md and its pictures."""
    samples = Samples(result["samples"])
    rounds = len(samples.distinct("round", target=RINGS))
    page = [INTRODUCTION.format(machine=machine_text(result), rounds=rounds,
                                calls=calls_text(result))]
    of_labs = [text.format(rounds=len(samples.distinct("round", target=targets[0])))
               for targets, text in OF_LABS if samples.of(target=targets[0])]
    if of_labs:
        page.append("\n".join([LABS] + of_labs) + "\n")
    for name, title, figure, high in PLOTS:
        file = f"performance-{name}.svg"
        gnuplot(samples, os.path.join(directory, file), title, figure, high)
        page.append(f"![{title}]({file})\n")
    for title, table in sections(result):
        page.append(f"## {title}\n\n{table.markdown()}\n")
    with open(os.path.join(directory, "performance.md"), "w", encoding="utf-8") as out:
        out.write("\n".join(page))
