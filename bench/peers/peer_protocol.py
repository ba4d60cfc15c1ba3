"""How a peer of the benchmark talks: commands on stdin, answers on stdout, each one line of JSON
(bench/task.ts); and what every peer measures of itself."""
import ctypes
import gc
import json
import os
import sys


def serve(peer):
    """Calls the method of each command's name until stdin ends."""
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(peer, command["command"])(command)
        except Exception as error:  # the answer tells, and the process goes on
            text = str(error).strip() or repr(error)
            answer = {"error": f"{type(error).__name__}: {text[:500]}"}
        print("@bench " + json.dumps(answer), flush=True)


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


class ResidentMemory:
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
