"""Rivals on a GPU, by its own clock: python cuda_peer.py torch|lact|lact-triton [PATH], commands on
stdin. `torch` has PyTorch's products and attention; `lact` and `lact-triton` have the published
implementation, imported from its repository at PATH. Without a GPU everything runs on the CPU in
float32, which shows that the peer works and not how fast it is."""
import math
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import torch  # noqa: E402

import safetensors_file  # noqa: E402
from peer_protocol import ResidentMemory, serve  # noqa: E402

LEAST_SECONDS = 0.02  # of one measurement, as bench/cuda/our_contender.ts has it
MOST_REPETITIONS = 200
ON_GPU = torch.cuda.is_available()


def operations_of(mode, path):
    if mode == "torch":
        import cuda_operations
        return cuda_operations
    import lact_operations
    lact_operations.use(path, fused=mode == "lact-triton")
    return lact_operations


class GpuMemory:
    """Watches the bytes of PyTorch's tensors on the GPU from its making on."""

    def __init__(self):
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        self.baseline = torch.cuda.memory_allocated()

    def answer(self):
        return {"baselineBytes": self.baseline, "peakBytes": torch.cuda.max_memory_allocated()}


class Peer:
    def __init__(self, mode, path=None):
        self.mode, self.path = mode, path
        self.count = 1

    def prepare(self, command):
        torch.set_num_threads(command["threads"])
        precision = command.get("precision", "float32")
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        dtype = torch.bfloat16 if ON_GPU and precision == "bfloat16" else torch.float32
        operations = operations_of(self.mode, self.path)
        device = "cuda" if ON_GPU else "cpu"
        read = safetensors_file.read(command["inputs"])
        inputs = {name: value.to(device) for name, value in read.items()}
        del read
        prepared = operations.prepare(command["task"], inputs, dtype)
        results = {name: value.detach().float().cpu() for name, value in prepared.results().items()}
        safetensors_file.write(command["results"], results)
        del results
        self.run_once = prepared.run
        self.watched = GpuMemory() if ON_GPU else ResidentMemory()
        self.run_once()
        return {"prepared": True}

    def seconds_of(self, count):
        """Seconds of `count` repetitions in a row, behind one that is not timed."""
        self.run_once()
        if not ON_GPU:
            start = time.perf_counter()
            for _ in range(count):
                self.run_once()
            return time.perf_counter() - start
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(count):
            self.run_once()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1000

    def run(self, _command):
        while True:
            seconds = self.seconds_of(self.count)
            if seconds >= LEAST_SECONDS or self.count >= MOST_REPETITIONS:
                return {"seconds": seconds / self.count}
            growth = max(1.5, 1.2 * LEAST_SECONDS / max(seconds, 1e-9))
            self.count = min(MOST_REPETITIONS, math.ceil(self.count * growth))

    def memory(self, _command):
        return self.watched.answer()


serve(Peer(*sys.argv[1:]))
