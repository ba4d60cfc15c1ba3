"""PyTorch as a contender of the benchmark: python torch_peer.py eager|compiled, commands on stdin.

Each command and each answer is one line of JSON (bench/task.ts).
"""
import ctypes
import gc
import json
import math
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "..", "test", "golden"))  # fast_weight_oracle.py

import torch  # noqa: E402

import safetensors_file  # noqa: E402
import torch_operations  # noqa: E402

LEAST_SECONDS = 0.05  # of one measurement, as Benchmark.js has it


def status_bytes(name):
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(name + ":"):
                return 1024 * int(line.split()[1])
    return 0


def peak_bytes():
    if os.path.exists("/proc/self/status"):
        return status_bytes("VmHWM")
    import resource
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def release():
    """Gives back what the compiler and the first run left behind."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        pass  # another C library than glibc


class Memory:
    """Watches resident memory from its making on."""

    def __init__(self):
        release()
        try:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")  # the peak starts anew
        except OSError:
            pass  # elsewhere than on Linux the peak is that of the process so far
        self.baseline = peak_bytes()

    def answer(self):
        return {"baselineBytes": self.baseline, "peakBytes": peak_bytes()}


class Peer:
    def __init__(self, mode):
        self.compile = torch.compile if mode == "compiled" else lambda function: function
        self.count = 1

    def prepare(self, command):
        torch.set_num_threads(command["threads"])
        inputs = safetensors_file.read(command["inputs"])
        prepared = torch_operations.prepare(command["task"], inputs, self.compile)
        safetensors_file.write(command["results"], prepared.results())
        self.run_once = prepared.run
        self.memory = Memory()
        self.run_once()
        return {"prepared": True}

    def run(self, _command):
        while True:
            start = time.perf_counter()
            for _ in range(self.count):
                self.run_once()
            seconds = time.perf_counter() - start
            if seconds >= LEAST_SECONDS:
                return {"seconds": seconds / self.count}
            self.count = math.ceil(self.count * max(1.5, 1.2 * LEAST_SECONDS / seconds))


def main():
    peer = Peer(sys.argv[1])
    for line in sys.stdin:
        command = json.loads(line)
        try:
            if command["command"] == "memory":
                answer = peer.memory.answer()
            else:
                answer = getattr(peer, command["command"])(command)
        except Exception as error:  # the answer tells, and the process goes on
            text = str(error).strip() or repr(error)
            answer = {"error": f"{type(error).__name__}: {text[:500]}"}
        print("@bench " + json.dumps(answer), flush=True)


main()
