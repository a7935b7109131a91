"""Runs the CUDA tests and benchmarks on this machine's GPU, and writes what came of it.

    python3 scripts/gpu-bundle/run.py [--bundle build/gpu-bundle.tar.xz] [--output results.json]

Unpacks what pack.mjs made beside the repository's tracked files, then runs the C++ tests with
cubins, with PTX and with older architectures' PTX, the TypeScript tests, and bench/gpu. Needs
Python 3.10 and a driver; PyTorch for comparisons. `--rehearsal` names another driver (the virtual
GPU) and runs the least of each part. Exits with 1 when anything failed. scripts/gpu-ledger.mjs
merges the output into the ledger.
"""

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "build/gpu"
IMAGES = ROOT / "build/cuda"
NODE = TOOLS / "node"
# Images of the addon for other GPUs than the newest, whose PTX runs on newer ones too.
OLDER_IMAGES = [80, 75]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--bundle", type=Path, default=ROOT / "build/gpu-bundle.tar.xz")
    parser.add_argument("--output", type=Path, default=ROOT / "build/gpu-results.json")
    parser.add_argument("--rehearsal", metavar="DRIVER", help="a library to use as the driver")
    parser.add_argument("--only", action="append", metavar="PART",
                        choices=["cpp", "typescript", "bench"], help="repeatable; default: all")
    return parser.parse_args()


def unpack(bundle):
    if not bundle.exists():
        sys.exit(f"Expected what pack.mjs packed, but {bundle} is not there.")
    with tarfile.open(bundle, "r:xz") as archive:
        archive.extractall(ROOT)


def run(name, command, environment, limit_s):
    """Runs a command with its output on ours; what came of it."""
    print(f"== {name}", flush=True)
    begin = time.monotonic()
    try:
        status = subprocess.run(command, cwd=ROOT, env=environment, timeout=limit_s).returncode
    except subprocess.TimeoutExpired:
        status = f"timed out after {limit_s} s"
    except OSError as error:
        status = str(error)
    seconds = round(time.monotonic() - begin, 1)
    outcome = "passed" if status == 0 else f"FAILED ({status})"
    print(f"== {name}: {outcome}, {seconds} s", flush=True)
    return {"name": name, "status": status, "seconds": seconds}


def new_report(name):
    """Where a step is to report: nothing is there, so that nobody takes an older run's for it."""
    report = TOOLS / name
    report.unlink(missing_ok=True)
    return report


def read_json(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        return {"error": str(error)}


def older(architecture, environment):
    """The environment in which the GPU seems to be of an older architecture."""
    own = {
        "FUSEBERT_CUDA_DRIVER": str(TOOLS / "libfusebert_older_driver.so"),
        "OLDER_DRIVER_ARCHITECTURE": str(architecture),
    }
    if "FUSEBERT_CUDA_DRIVER" in environment:
        own["OLDER_DRIVER_BEHIND"] = environment["FUSEBERT_CUDA_DRIVER"]
    return {**environment, **own}


def cpp_tests(name, kind, environment, rehearsal):
    """Every C++ test, with one kind of image."""
    report = new_report("cpp.json")
    command = [TOOLS / "fusebert_cuda_tests", f"--gtest_output=json:{report}", "--gtest_brief=1"]
    if rehearsal:
        command.append("--gtest_filter=*Rows*:*CudaBackend.AgreesWithTheReferenceForOther*:"
                       "CudaHead.AgreesWithTheReferenceInBf16")
    own = {"FUSEBERT_CUDA_IMAGE": kind, "FUSEBERT_TEST_IMAGES": str(IMAGES)}
    result = run(f"C++ tests, {name}", command, {**environment, **own}, 240)
    found = read_json(report)
    result["tests"] = {
        f"{suite['name']}.{test['name']}": test_result(test)
        for suite in found.get("testsuites", [])
        for test in suite["testsuite"]
    }
    if not result["tests"]:
        result["status"] = result["status"] or "no test ran"
    return result


def test_result(test):
    if test.get("failures"):
        return "failed"
    return "passed" if test["result"] == "COMPLETED" else "skipped"


def typescript_tests(environment, rehearsal):
    report = new_report("typescript.json")
    command = [NODE, "node_modules/vitest/vitest.mjs", "run", "--project", "slow",
               "--reporter", "default", "--reporter", "json", "--outputFile.json", report,
               "test/cuda/encode.test.ts", "test/cuda/heads.test.ts",
               "test/cuda/pipelines.test.ts"]
    if rehearsal:
        command += ["-t", "gives the vectors|without kernels|'dense' answers"]
    result = run("TypeScript tests", command, {**environment, "FUSEBERT_TEST_GPU": "real"}, 240)
    found = read_json(report)
    result["tests"] = {
        test["fullName"]: test["status"]
        for file in found.get("testResults", [])
        for test in file["assertionResults"]
    }
    if "passed" not in result["tests"].values():
        result["status"] = result["status"] or "no test ran"
    return result


def benchmarks(environment, rehearsal):
    report = new_report("bench.json")
    command = [sys.executable, "bench/gpu/bench.py",
               "--library", TOOLS / "libfusebert_gpu_bench.so", "--images", IMAGES,
               "--node", NODE, "--package", ROOT, "--output", report]
    if rehearsal:
        command.append("--quick")
    result = run("bench/gpu", command, environment, 300)
    result["results"] = read_json(report)
    return result


def machine():
    smi = shutil.which("nvidia-smi")
    fields = "name,driver_version,memory.total,clocks.max.sm,compute_cap"
    query = [smi, f"--query-gpu={fields}", "--format=csv,noheader"]
    gpus = subprocess.run(query, capture_output=True, text=True).stdout if smi else ""
    return {"gpus": gpus.strip().split("\n") if gpus else [], "cpus": os.cpu_count()}


def architecture_of(found):
    """90 of a compute capability 9.0, of the first GPU; 0 where nothing says it."""
    capability = found["gpus"][0].rsplit(", ", 1)[-1] if found["gpus"] else ""
    return int(capability.replace(".", "")) if capability.replace(".", "").isdigit() else 0


def commit():
    path = TOOLS / "commit"
    return path.read_text().strip() if path.exists() else ""


def main():
    arguments = parse_arguments()
    rehearsal = arguments.rehearsal is not None
    environment = dict(os.environ)
    if rehearsal:
        environment["FUSEBERT_CUDA_DRIVER"] = arguments.rehearsal
    parts = arguments.only or ["cpp", "typescript", "bench"]
    unpack(arguments.bundle)
    steps = [run("unpacking images", [NODE, "scripts/gpu-bundle/unpack-images.mjs", IMAGES],
                 environment, 60)]
    found = machine()
    # The virtual GPU takes PTX alone, and is an sm_80 here.
    runs = [] if rehearsal else [("cubin", "cubin", environment)]
    runs.append(("ptx", "ptx", environment))
    runs += [(f"ptx of sm_{each}", "ptx", older(each, environment))
             for each in OLDER_IMAGES if each < (80 if rehearsal else architecture_of(found))]
    todo = {
        "cpp": lambda: [cpp_tests(name, kind, own, rehearsal) for name, kind, own in runs],
        "typescript": lambda: [typescript_tests(environment, rehearsal)],
        "bench": lambda: [benchmarks(environment, rehearsal)],
    }
    result = {
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "machine": found,
        "rehearsal": rehearsal,
        "steps": steps,
    }
    for part in parts:
        steps += todo[part]()
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(result, indent=1))
    failed = [step["name"] for step in steps if step["status"] != 0]
    print(f"{arguments.output}: " + (f"FAILED: {', '.join(failed)}" if failed else "all passed"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
