"""What competitors need beside the fused graph: tokenizer.json for those that read no vocab.txt,
and the folder that transformers.js loads, whose graph is the one that PyTorch's exporter writes,
as in the models published for transformers.js: not fused beforehand.
"""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import transformers
from tokenizers import BertWordPieceTokenizer

NAMES = ("input_ids", "attention_mask", "token_type_ids")
OPSET = 17


def write_tokenizer(folder: Path) -> None:
    """tokenizer.json of a folder's vocab.txt, lower-casing, as transformers converts it."""
    BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=True).save(
        str(folder / "tokenizer.json")
    )


def limit_length(source: Path, target: Path) -> None:
    """sentence-transformers' limit in the place where transformers.js looks for one."""
    limit = source / "sentence_bert_config.json"
    if not limit.exists():
        return
    path = target / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config["model_max_length"] = json.loads(limit.read_text())["max_seq_length"]
    path.write_text(json.dumps(config, indent=2) + "\n")


class HiddenStates(torch.nn.Module):
    """The model with its inputs in a fixed order and one output."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        return self.model(**dict(zip(NAMES, tensors, strict=True))).last_hidden_state


def export_onnx(model: HiddenStates, path: Path) -> None:
    ids = torch.arange(1000, 1018).reshape(2, 9)
    # A mask without zeros would be traced as no mask at all.
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    inputs = (ids, mask, torch.zeros_like(ids))
    axes = {name: {0: "batch", 1: "sequence"} for name in (*NAMES, "last_hidden_state")}
    with warnings.catch_warnings():
        # The tracing exporter: what the published models were made with. It warns of its age.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            inputs,
            path,
            input_names=list(NAMES),
            output_names=["last_hidden_state"],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )


def compare(model: HiddenStates, path: Path) -> float:
    """The largest difference between PyTorch and the file on a padded batch."""
    lengths = (31, 5)
    ids = np.zeros((len(lengths), max(lengths)), np.int64)
    mask = np.zeros_like(ids)
    for row, length in enumerate(lengths):
        ids[row, :length], mask[row, :length] = np.arange(2000, 2000 + length), 1
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    feeds = dict(zip(NAMES, (ids, mask, np.zeros_like(ids)), strict=True))
    (output,) = session.run(["last_hidden_state"], feeds)
    with torch.no_grad():
        expected = model(*(torch.from_numpy(feed) for feed in feeds.values()))
    kept = mask.astype(bool)
    return float(np.abs(output - expected.numpy())[kept].max())


def export_transformers_js(source: Path, target: Path, tolerance: float) -> float:
    """Writes the folder `target` for transformers.js from the Hugging Face folder `source`."""
    (target / "onnx").mkdir(parents=True, exist_ok=True)
    tokenizer = "tokenizer.json" if (source / "tokenizer.json").exists() else "vocab.txt"
    for name in ("config.json", "tokenizer_config.json", tokenizer):
        shutil.copy(source / name, target / name)
        (target / name).chmod(0o644)
    if tokenizer == "vocab.txt":
        write_tokenizer(target)
    limit_length(source, target)
    bert = transformers.BertModel.from_pretrained(
        source, dtype=torch.float32, attn_implementation="eager", add_pooling_layer=False
    )
    model = HiddenStates(bert).eval()
    path = target / "onnx" / "model.onnx"
    export_onnx(model, path)
    difference = compare(model, path)
    if not difference <= tolerance:
        raise SystemExit(f"{path}: differs from PyTorch by {difference:.2e}")
    return difference
