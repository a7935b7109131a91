"""fusebert in a Node process of its own (encoder.mjs), asked by lines of JSON."""

import base64
import json
import queue
import statistics
import subprocess
import threading
from pathlib import Path

import numpy as np

from model_folder import FIRST_ID

SCRIPT = Path(__file__).resolve().parent / "encoder.mjs"
LOAD_TIMEOUT_SECONDS = 60
ASK_TIMEOUT_SECONDS = 60
CLOSE_TIMEOUT_SECONDS = 10
# Enough that the next batch is there when one ends.
IN_FLIGHT = 4
MAX_CALLS = 400


class NodeSide:
    def __init__(self, node: str, package: Path) -> None:
        self.package = package.resolve()
        self.answers: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            [node, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            encoding="utf-8", bufsize=1,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.answers.put(line)
        self.answers.put(None)

    def ask(self, command: str, timeout_seconds: float = ASK_TIMEOUT_SECONDS, **fields) -> dict:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"command": command, **fields}) + "\n")
        self.process.stdin.flush()
        try:
            line = self.answers.get(timeout=timeout_seconds)
        except queue.Empty:
            # A late answer would be taken for the next one's.
            self.process.kill()
            raise TimeoutError(f"no answer to {command} in {timeout_seconds:.0f} s") from None
        if line is None:
            status = self.process.wait(CLOSE_TIMEOUT_SECONDS)
            raise RuntimeError(f"the Node process ended with {status} at {command}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def load(self, model: Path, options: dict) -> dict:
        given = {"package": str(self.package), "model": str(model), "options": options}
        return self.ask("load", LOAD_TIMEOUT_SECONDS, **given)

    def close(self) -> None:
        try:
            if self.process.poll() is None:
                self.ask("close", CLOSE_TIMEOUT_SECONDS)
                self.process.stdin.close()
                self.process.wait(CLOSE_TIMEOUT_SECONDS)
        except Exception:
            pass
        finally:
            self.kill()

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()


class NodeBatch:
    """One batch of generated ids."""

    def __init__(self, side: NodeSide, lengths: list[int], seed: int, vocab_size: int,
                 round_seconds: float) -> None:
        self.side = side
        self.fields = {"lengths": lengths, "seed": seed, "first_id": FIRST_ID,
                       "vocab_size": vocab_size}
        self.calls = 1
        if round_seconds > 0:
            once = min(self._ask(3, 1))
            self.calls = max(3, min(MAX_CALLS, round(round_seconds / once)))

    def _ask(self, calls: int, in_flight: int) -> list[float]:
        return self.side.ask("encode", calls=calls, in_flight=in_flight, **self.fields)["seconds"]

    def call(self) -> float:
        """Median seconds of calls, each awaited before the next."""
        return statistics.median(self._ask(self.calls, 1))

    def throughput(self) -> float:
        """Seconds a call of calls that overlap."""
        return self._ask(max(self.calls, 2 * IN_FLIGHT), IN_FLIGHT)[0]

    def vectors(self) -> np.ndarray:
        answer = self.side.ask("encode", vectors=True, **self.fields)
        flat = np.frombuffer(base64.b64decode(answer["vectors"]), "<f4")
        return flat.reshape(len(self.fields["lengths"]), -1)
