"""Starting a program on chosen CPUs, and what /proc says of it: CPU time and memory. Linux."""

import contextlib
import os
import pathlib
import subprocess
import threading
import time


def parse_cpus(text):
    """"0-3,8" as a set."""
    cpus = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    return cpus


def cores(count, skip=0):
    """`count` CPUs of as many physical cores, after the first `skip` cores; fewer where the machine has no more."""
    found = {}
    for cpu in sorted(os.sched_getaffinity(0)):
        siblings = pathlib.Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        found.setdefault(siblings.read_text().strip() if siblings.is_file() else str(cpu), cpu)
    return set(sorted(found.values())[skip : skip + count])


@contextlib.contextmanager
def affinity(cpus):
    """The calling thread, and what it starts, on these CPUs; None leaves all."""
    before = os.sched_getaffinity(0)
    if cpus:
        os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def start(command, cpus=None, **options):
    with affinity(cpus):
        return subprocess.Popen(command, **options)


def cpu_seconds(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idle_cpu_percent(process, seconds):
    """Of one CPU, while nothing is asked."""
    before, start_time = cpu_seconds(process), time.monotonic()
    time.sleep(seconds)
    return 100 * (cpu_seconds(process) - before) / (time.monotonic() - start_time)


def memory_mib(process):
    """Resident memory: all, and the part that is the process's own rather than a file's."""
    values = {}
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in ("VmRSS", "RssAnon"):
            values[name] = int(value.split()[0]) / 1024
    return values.get("VmRSS", 0.0), values.get("RssAnon", 0.0)


class MemorySampler:
    """Looks once a second until stopped. `samples`: (seconds since the start, all MiB, own MiB)."""

    def __init__(self, process):
        self.process, self.samples, self._stop = process, [], threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._start = time.monotonic()
        self._thread.start()

    def _run(self):
        while not self._stop.wait(1.0):
            try:
                self.samples.append((time.monotonic() - self._start, *memory_mib(self.process)))
            except OSError:
                return

    def stop(self):
        self._stop.set()
        self._thread.join()


def machine():
    """CPU, count and load, for the head of a report."""
    model = ""
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {"cpu": model, "cpus": len(os.sched_getaffinity(0)), "load": os.getloadavg()[0]}
