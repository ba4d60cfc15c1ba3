"""PyTorch as a contender of the benchmark: python torch_peer.py eager|compiled, commands on stdin."""
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
from peer_protocol import ResidentMemory, serve  # noqa: E402

LEAST_SECONDS = 0.05  # of one measurement, as Benchmark.js has it


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
        self.resident = ResidentMemory()
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

    def memory(self, _command):
        return self.resident.answer()


serve(Peer(sys.argv[1]))
