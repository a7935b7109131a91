#!/usr/bin/env python3
"""Times fusebert on a CUDA device beside cuBLAS and torch in the same run: kernels one by one,
whole encoders, and texts. Prints tables as results come and writes them all to a JSON file, also
when a part fails; then the exit status is 1.

  bench.py --library build/gpu-bench/libfusebert_gpu_bench.so --images build/cuda \\
      --package . --output results.json
"""

import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from measuring import TERA, Budget, describe

HERE = Path(__file__).resolve().parent
KERNEL_PARTS = ("ceilings", "gemm", "attention", "layer_norm")
MODEL_PARTS = ("encoder", "text")
PARTS = (*KERNEL_PARTS, *MODEL_PARTS)
# Shares of the time at which a part stops taking up new cases. Kernels beside models run in a
# process of their own, with a part of the time as theirs.
UNTIL = {"gemm": 0.72, "attention": 0.88, "layer_norm": 0.95, "encoder": 0.86, "text": 0.95}
KERNELS_SHARE = 0.47
LEAST_SECONDS = 10
WRITE_ATTEMPTS = 5


class Report:
    """The JSON file, written anew after each step."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.Lock()
        self.content: dict = {
            "device": {}, "versions": {}, "ceilings": {}, "gemm": [], "attention": [],
            "layer_norm": [], "encoder": [], "encoder_check": {}, "encoder_load": {}, "text": {},
            "skipped": [], "errors": [],
        }

    @property
    def errors(self) -> list:
        return self.content["errors"]

    @property
    def skipped(self) -> list:
        return self.content["skipped"]

    def write(self) -> None:
        with self.lock:
            partial = self.path.with_name(self.path.name + ".partial")
            for attempt in range(WRITE_ATTEMPTS):
                try:
                    text = json.dumps(self.content, indent=1, default=str)
                    break
                except RuntimeError:  # The main thread is changing it.
                    time.sleep(0.01 * attempt)
            else:
                return
            partial.write_text(text + "\n")
            partial.replace(self.path)

    def attempt(self, name: str, run: Callable[[], object]) -> object:
        """What run() returns; None, with the error noted, when it fails."""
        try:
            return run()
        except Exception as error:
            traceback.print_exc()
            self.errors.append(f"{name}: {describe(error)['error']}")
            print(f"{name} failed: {describe(error)['error'][:200]}", flush=True)
            value = self.content.get(name)
            if isinstance(value, list):
                value.append(describe(error))
            elif isinstance(value, dict):
                value.update(describe(error))
            return None
        finally:
            self.write()

    def collect(self, name: str, entries: Callable[[], object]) -> None:
        def run() -> None:
            for entry in entries():
                self.content[name].append(entry)
                self.write()

        self.attempt(name, run)


class Run:
    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.quick = arguments.quick
        self.budget = Budget(arguments.seconds_budget)
        self.report = Report(arguments.output)
        self.torch_side = self.torch_encoder = self.onnx_encoder = self.encoder = None
        self.child: subprocess.Popen | None = None
        self.done = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        """Ends a run that hangs, with what there is."""
        if self.done.wait(self.budget.total_seconds):
            return
        self.report.errors.append(f"stopped after {self.budget.total_seconds:.0f} s")
        print(self.report.errors[-1], flush=True)
        self.report.write()
        side = getattr(self.encoder, "side", None)
        for child in (self.child, side):
            if child is not None:
                child.kill()
        os._exit(1)

    def wanted(self, name: str) -> bool:
        return name in self.arguments.parts

    def describe_machine(self) -> None:
        versions = self.report.content["versions"]
        versions |= {"python": platform.python_version(), "node": tool_output(
            [self.arguments.node, "--version"])}
        for package in ("numpy", "torch", "triton", "transformers", "onnxruntime",
                        "onnxruntime-gpu"):
            try:
                versions[package] = importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                versions[package] = None
        fields = "name,driver_version,clocks.sm,clocks.max.sm,clocks.mem,power.limit"
        query = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"]
        self.report.content["device"]["nvidia_smi"] = tool_output(query)

    def load_torch(self) -> None:
        try:
            import torch_side
        except ImportError as error:
            self.report.content["versions"]["torch_use"] = f"not available: {error}"
            print("torch is not available: nothing to compare with", flush=True)
            return
        self.report.content["device"]["torch"] = torch_side.describe()
        if not torch_side.ON_GPU and not self.quick:
            self.report.content["versions"]["torch_use"] = "not available: torch has no CUDA"
            print("torch has no CUDA: nothing to compare with", flush=True)
            return
        import torch_encoder

        self.torch_side, self.torch_encoder = torch_side, torch_encoder

    def load_onnx(self) -> None:
        """onnxruntime, where it and onnx are installed and it has CUDA."""
        versions = self.report.content["versions"]
        try:
            import onnx_encoder
        except ImportError as error:
            versions["onnxruntime_use"] = f"not available: {error}"
            return
        if onnx_encoder.ON_GPU or self.quick:
            self.onnx_encoder = onnx_encoder
        else:
            versions["onnxruntime_use"] = "not available: onnxruntime has no CUDA"

    def open_library(self):
        from library import KernelLibrary

        library = KernelLibrary(self.arguments.library, self.arguments.images, self.quick)
        self.report.content["device"].update(library.device())
        return library

    def kernels(self) -> None:
        from kernel_parts import KernelParts

        ours = None
        if self.arguments.library is not None:
            ours = self.report.attempt("library", self.open_library)
        else:
            self.report.skipped.append("our kernels: no --library was given")
        parts = KernelParts(ours, self.torch_side, self.quick, self.budget, self.report.errors,
                            self.report.skipped)
        if self.wanted("ceilings"):
            measured = self.report.attempt("ceilings", parts.ceilings)
            self.report.content["ceilings"].update(measured or {})
        for name in ("gemm", "attention", "layer_norm"):
            if self.wanted(name):
                part = getattr(parts, name)
                self.report.collect(name, lambda part=part, name=name: part(UNTIL[name]))

    def kernels_apart(self, parts: list[str], seconds: float) -> list[str]:
        """Runs these parts in a process of their own: an error of the device ends with it. Returns
        those of which nothing came."""
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "kernels.json"
            given = self.arguments
            command = [sys.executable, __file__, "--inner", "--parts", ",".join(parts),
                       "--seconds-budget", str(seconds), "--output", str(output),
                       "--images", str(given.images)]
            command += ["--library", str(given.library)] if given.library is not None else []
            command += ["--quick"] if self.quick else []
            self.child = subprocess.Popen(command)
            try:
                status = self.child.wait(seconds + LEAST_SECONDS)
            except subprocess.TimeoutExpired:
                self.child.kill()
                status = self.child.wait()
            content = json.loads(output.read_text()) if output.exists() else {}
        if not content or (status != 0 and not content["errors"]):
            self.report.errors.append(f"kernels: their process ended with {status}")
        done = [part for part in parts if self._take(part, content.get(part))]
        for key in ("errors", "skipped"):
            self.report.content[key] += content.get(key, [])
        self.report.content["device"] |= content.get("device", {})
        self.report.write()
        return [part for part in parts if part not in done]

    def _take(self, part: str, found: list | dict | None) -> bool:
        """Whether there is anything in a part's results, which become the report's."""
        if isinstance(found, dict):
            self.report.content[part] |= found
            return "error" not in found
        entries = found or []
        self.report.content[part] += entries
        return any("error" not in entry for entry in entries)

    def all_kernels(self) -> None:
        seconds = KERNELS_SHARE * self.budget.total_seconds
        parts = [part for part in KERNEL_PARTS if self.wanted(part)]
        lost = self.kernels_apart(parts, seconds)
        left = seconds - self.budget.spent()
        # What failed first may have taken the rest with it.
        if lost and lost != parts and left > LEAST_SECONDS and self.report.errors:
            print(f"once more, in another process: {', '.join(lost)}", flush=True)
            self.kernels_apart(lost, left)

    def rates(self) -> dict:
        """TFLOP/s of cuBLAS: in one large GEMM, and in the four of BERT-Base with most rows."""
        content = self.report.content
        rates = {"cublas_ceiling": content["ceilings"].get("cublas_gemm", {}).get("tflops")}
        timed = [entry for entry in content["gemm"]
                 if entry.get("sides", {}).get("cublas", {}).get("median")]
        most = [entry for entry in timed if entry["rows"] == max(e["rows"] for e in timed)]
        if len(most) == 4:
            seconds = sum(entry["sides"]["cublas"]["median"] for entry in most)
            rates["bert_gemms"] = sum(entry["flop"] for entry in most) / seconds / TERA
            content["ceilings"]["bert_gemms"] = {"rows": most[0]["rows"],
                                                 "tflops": rates["bert_gemms"]}
        return rates

    def encoders(self, folder: Path) -> None:
        from encoder_part import EncoderPart

        options: dict = {"device": "cuda"}
        if self.arguments.max_batch_tokens > 0:
            options["max_batch_tokens"] = self.arguments.max_batch_tokens
        compiled = self.arguments.compile
        if compiled is None:
            compiled = not self.quick
        self.encoder = part = EncoderPart(
            self.arguments.node, self.arguments.package, folder, self.torch_encoder,
            self.onnx_encoder, self.quick, compiled, options, self.budget, self.rates(),
            self.report.errors, self.report.skipped,
        )
        try:
            part.start()
            self.report.content["encoder_load"] = part.loaded
            print(f"\nmodel loaded in {part.loaded['seconds']:.2f} s: {part.loaded['info']}",
                  flush=True)
            self.report.attempt("onnxruntime", part.load_onnx)
            check = self.report.attempt("encoder_check", part.check)
            self.report.content["encoder_check"].update(check or {})
            if check is not None and self.wanted("encoder"):
                self.report.collect("encoder", lambda: part.shapes(UNTIL["encoder"]))
            if check is not None and self.wanted("text"):
                text = self.report.attempt("text", lambda: part.text(UNTIL["text"]))
                self.report.content["text"].update(text or {})
        finally:
            part.close()

    def run(self) -> int:
        models = any(self.wanted(part) for part in MODEL_PARTS)
        kernels = any(self.wanted(part) for part in KERNEL_PARTS)
        if not self.arguments.inner:
            self.report.attempt("machine", self.describe_machine)
        if kernels and models:
            self.report.attempt("kernels", self.all_kernels)
        self.report.attempt("torch", self.load_torch)
        if kernels and not models:
            self.report.attempt("kernels", self.kernels)
        if models:
            self.report.attempt("onnxruntime", self.load_onnx)
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                self.report.attempt("encoder", lambda: self.encoders(Path(folder)))
        self.report.content["seconds"] = self.budget.spent()
        self.done.set()
        self.report.write()
        if self.arguments.inner:
            return 1 if self.report.errors else 0
        print(f"\n{self.budget.spent():.0f} s, written to {self.arguments.output.name}")
        for line in self.report.skipped:
            print(f"SKIPPED {line}")
        for line in self.report.errors:
            print(f"FAILED {line}")
        return 1 if self.report.errors else 0


def tool_output(command: list[str]) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=15, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, help="libfusebert_gpu_bench.so")
    parser.add_argument("--images", type=Path, default=HERE.parents[1] / "build" / "cuda",
                        help="folder of the kernels' images")
    parser.add_argument("--node", default="node", help="Node's binary")
    parser.add_argument("--package", type=Path, default=HERE.parents[1],
                        help="folder of the built package")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--quick", action="store_true",
                        help="tiny sizes, to see that everything runs")
    parser.add_argument("--seconds-budget", type=float, default=150, metavar="N",
                        help="parts are cut short, and the run ended, to keep this")
    parser.add_argument("--parts", type=lambda text: text.split(","), default=list(PARTS),
                        help=f"some of {','.join(PARTS)}")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=None,
                        help="measure torch.compile; default: unless --quick")
    parser.add_argument("--max-batch-tokens", type=int, default=0, metavar="N",
                        help="fusebert's option; 0: its own choice")
    parser.add_argument("--inner", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}")
    return arguments


if __name__ == "__main__":
    status = Run(parse_arguments()).run()
    sys.stdout.flush()
    sys.stderr.flush()
    # What is left of two CUDA users in one process has no say in the exit status.
    os._exit(status)
