# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is measured: servers of one export, each with the command line that reaches it."""

import os
import shutil
import signal
import subprocess
import time


class Failure(Exception):
    """The text is for people."""


class Server:
    """A server that runs until it is stopped. `client`: the arguments of xen9pfs-sim that reach
    it; `pid`: the process whose tree is charged."""

    end_signal = signal.SIGINT

    def __init__(self, name, simulator, work):
        self.name = name
        self.simulator = simulator
        self.work = os.path.join(work, name.replace(" ", "-"))
        os.mkdir(self.work)
        self.processes = []
        self.client = []
        self.pid = None

    def start(self, arguments, environment=None):
        """Starts a program of it; the last one started is the one that is charged."""
        with open(os.path.join(self.work, "log"), "ab") as log:
            process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       env=dict(os.environ, **(environment or {})))
        self.processes.append(process)
        self.pid = process.pid
        return process

    def await_that(self, is_so, what):
        """Until it is so, or the program that was started last has ended."""
        while not is_so():
            if self.processes[-1].poll() is not None:
                with open(os.path.join(self.work, "log"), encoding="utf-8") as log:
                    raise Failure(f"{self.name}: {what}: {log.read()}")
            time.sleep(0.02)

    def logged(self, text):
        with open(os.path.join(self.work, "log"), encoding="utf-8", errors="replace") as log:
            return text in log.read()

    def stop(self):
        """The latest first; the bus outlives its daemon."""
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(self.end_signal)
                process.wait()


class Daemon(Server):
    """xen9pfsd on a simulated bus of its own."""

    def __init__(self, name, simulator, work, program, export, delays=None):
        super().__init__(name, simulator, work)
        bus = os.path.join(self.work, "bus")
        os.mkdir(bus)
        self.bus = ["--bus", f"sim:{bus}"]
        self.client = self.bus + ["--path", export]
        self.start([simulator] + self.bus + ["bus"])
        self.await_that(lambda: self.logged("is ready"), "the bus does not start")
        self.start([program] + self.bus + ["--export", export],
                   {"XEN9PFSD_SYNTH": delays} if delays else None)
        self.await_that(lambda: self.logged("xen9pfsd: serving "), "the daemon does not start")


class Serve(Server):
    """xen9pfs-serve on a unix socket."""

    def __init__(self, name, simulator, work, program, export):
        super().__init__(name, simulator, work)
        self.socket = os.path.join(self.work, "socket")
        self.client = ["--connect", f"unix:{self.socket}"]
        self.start([program, "--listen", f"unix:{self.socket}", "--path", export])
        self.await_that(lambda: os.path.exists(self.socket), "does not start")


class Diod(Server):
    """diod on a unix socket. Who is started in the background ignores SIGINT, and so does it."""

    end_signal = signal.SIGTERM

    def __init__(self, name, simulator, work, export):
        super().__init__(name, simulator, work)
        self.socket = os.path.join(self.work, "socket")
        self.client = ["--connect", f"unix:{self.socket}", "--aname", export]
        program = shutil.which("diod", path=os.environ["PATH"] + ":/usr/sbin")
        self.start([program, "-f", "-n", "-N", "-L", "stderr", "-l", self.socket, "-e", export])
        self.await_that(lambda: os.path.exists(self.socket), "does not start")


def have_diod():
    """Whoever is not root cannot let it serve himself as root, which the client asks for."""
    return shutil.which("diod", path=os.environ["PATH"] + ":/usr/sbin") and os.geteuid() == 0
