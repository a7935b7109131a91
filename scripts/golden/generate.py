"""Makes test/golden: tiny seeded models of BERT and its kin in every checkpoint format that
fusebert reads, each with hidden states that Hugging Face transformers computed from it in float32
(eager attention).

Usage: pip install -r requirements.txt && python generate.py
Format: test/golden/README.md. Each sequence runs alone, without padding, on one thread.
"""

import base64
import copy
import hashlib
import json
import platform
import shutil
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import numpy
import safetensors
import safetensors.torch
import tokenizers
import torch
import transformers
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    ElectraConfig,
    ElectraModel,
    RobertaConfig,
    RobertaModel,
)

OUTPUT = Path(__file__).resolve().parents[2] / "test" / "golden"
SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@dataclass
class Golden:
    """One model folder: its geometry, how it is stored, and the sequence lengths to run."""

    name: str
    storage: str
    config: dict
    lengths: list
    dtype: torch.dtype = torch.float32
    pooler: bool = True
    weight_scale: float = 0.2
    notes: list = field(default_factory=list)
    family: str = "bert"
    # What stands before the stored names.
    prefix: str = ""


FAMILIES = {
    "bert": (BertConfig, BertModel),
    "roberta": (RobertaConfig, RobertaModel),
    "electra": (ElectraConfig, ElectraModel),
    "distilbert": (DistilBertConfig, DistilBertModel),
}

# What DistilBERT calls otherwise.
DISTILBERT_FIELDS = {
    "hidden_size": "dim",
    "num_attention_heads": "n_heads",
    "num_hidden_layers": "n_layers",
    "intermediate_size": "hidden_dim",
    "hidden_act": "activation",
}


def config_of(config_class, fields):
    """A family's config of a geometry in BERT's words."""
    if config_class is DistilBertConfig:
        fields = {DISTILBERT_FIELDS.get(name, name): value for name, value in fields.items()}
    return config_class(**fields)


def geometry(hidden, heads, intermediate, layers, **more):
    return dict(
        vocab_size=200,
        hidden_size=hidden,
        num_attention_heads=heads,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        max_position_embeddings=40,
        **more,
    )


MODELS = [
    Golden("head16", "safetensors", geometry(32, 2, 37, 3), [1, 2, 17, 40]),
    Golden(
        "head17-odd", "safetensors", geometry(34, 2, 21, 1), [1, 3, 33, 40], weight_scale=0.4
    ),
    Golden(
        "head32-f16",
        "safetensors",
        geometry(32, 1, 61, 2, type_vocab_size=1, hidden_act="gelu_new"),
        [1, 5, 31, 40],
        dtype=torch.float16,
        pooler=False,
    ),
    Golden(
        "head64-bf16",
        "safetensors",
        geometry(64, 1, 51, 1, hidden_act="relu", layer_norm_eps=1e-5),
        [1, 8, 40],
        dtype=torch.bfloat16,
        weight_scale=0.15,
    ),
    Golden(
        "head128-f16",
        "safetensors",
        geometry(128, 1, 33, 1, hidden_act="gelu_pytorch_tanh"),
        [1, 19, 40],
        dtype=torch.float16,
        pooler=False,
        weight_scale=0.1,
    ),
    Golden(
        "positions512",
        "safetensors",
        {**geometry(16, 1, 16, 1), "max_position_embeddings": 512},
        [511, 1, 512],
        weight_scale=0.5,
    ),
    Golden("sharded-safetensors", "safetensors-sharded", geometry(32, 2, 47, 2), [1, 40]),
    Golden(
        "torch-zip",
        "torch-zip",
        geometry(32, 2, 45, 2),
        [1, 12, 40],
        notes=["a transposed tensor", "a tensor inside a larger storage", "two tied tensors"],
    ),
    Golden("torch-zip-bf16", "torch-zip", geometry(16, 1, 29, 1), [1, 40], dtype=torch.bfloat16),
    Golden("torch-sharded", "torch-sharded", geometry(16, 1, 27, 1), [1, 40], pooler=False),
    Golden(
        "mental-bert-like",
        "torch-legacy",
        geometry(32, 2, 43, 2),
        [1, 9, 40],
        notes=[
            "config.json without model_type",
            "names with bert., gamma and beta",
            "cls.* tensors",
        ],
    ),
    Golden("gelu-fast", "safetensors", geometry(16, 1, 29, 1, hidden_act="gelu_fast"), [1, 30]),
    Golden("quick-gelu", "safetensors", geometry(16, 1, 29, 1, hidden_act="quick_gelu"), [1, 30]),
    Golden("silu", "safetensors", geometry(16, 1, 29, 1, hidden_act="silu"), [1, 30]),
    Golden(
        "roberta",
        "safetensors",
        geometry(32, 2, 43, 2, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1),
        [1, 2, 17, 38],
        family="roberta",
    ),
    Golden(
        "roberta-prefixed",
        "torch-zip",
        geometry(32, 2, 43, 1, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1),
        [1, 38],
        dtype=torch.float16,
        pooler=False,
        notes=["names with roberta."],
        family="roberta",
        prefix="roberta.",
    ),
    Golden(
        "electra",
        "safetensors",
        geometry(32, 2, 43, 1, embedding_size=32),
        [1, 17, 40],
        pooler=False,
        family="electra",
        prefix="electra.",
    ),
    Golden(
        "distilbert",
        "safetensors",
        geometry(32, 2, 43, 2, hidden_act="relu"),
        [1, 17, 40],
        pooler=False,
        family="distilbert",
    ),
]


def vocabulary(size):
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = ["the", "i", "feel", "a", "lot", "better", "today", "is", "not", "sleep", "and"]
    tokens = SPECIAL_TOKENS + letters + ["##" + letter for letter in letters]
    tokens += list("0123456789.,!?'-") + ["##ing", "##ed", "##er"]
    tokens += [word for word in words if word not in tokens]
    tokens += [f"[unused{index}]" for index in range(size - len(tokens))]
    assert len(tokens) == len(set(tokens)) == size
    return tokens


def randomise(model, scale, seed):
    """Every parameter random, none at its initial 0 or 1, so that each one matters."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith(("LayerNorm.weight", "layer_norm.weight")):
                parameter.copy_(1 + 0.3 * noise)
            else:
                parameter.copy_(scale * noise)


def reload_as_float32(model, dtype):
    """What loading the stored dtype as float32 gives."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.to(dtype).to(torch.float32))


def encode(lengths, config, seed):
    generator = torch.Generator().manual_seed(seed)
    sequences = []
    for length in lengths:
        ids = torch.randint(0, config.vocab_size, (1, length), generator=generator)
        types = torch.zeros_like(ids)
        if getattr(config, "type_vocab_size", 1) > 1:
            types[:, length // 2 :] = 1
        if config.model_type == "roberta" and length > 4:
            ids[:, 3] = config.pad_token_id  # as the text "<pad>": its position is that of padding
        sequences.append((ids, types))
    return sequences


def run(model, sequences):
    hidden, pooled = [], []
    with torch.no_grad():
        for ids, types in sequences:
            has_types = model.config.model_type != "distilbert"
            more = {"token_type_ids": types} if has_types else {}
            output = model(input_ids=ids, **more)
            hidden.append(output.last_hidden_state[0])
            if output.get("pooler_output") is not None:
                pooled.append(output.pooler_output[0])
    return torch.cat(hidden), torch.stack(pooled) if pooled else None


def as_base64(tensor):
    return base64.b64encode(tensor.numpy().astype("<f4").tobytes()).decode("ascii")


def expected_values(golden, model, seed):
    sequences = encode(golden.lengths, model.config, seed)
    hidden, pooled = run(model, sequences)
    exact, exact_pooled = run(copy.deepcopy(model).double(), sequences)
    error = (hidden.double() - exact).abs().max().item()
    if pooled is not None:
        error = max(error, (pooled.double() - exact_pooled).abs().max().item())
    cu_seqlens = [0]
    for length in golden.lengths:
        cu_seqlens.append(cu_seqlens[-1] + length)
    return {
        "hidden_size": model.config.hidden_size,
        "cu_seqlens": cu_seqlens,
        "input_ids": torch.cat([ids[0] for ids, _ in sequences]).tolist(),
        "token_type_ids": torch.cat([types[0] for _, types in sequences]).tolist(),
        "last_hidden_state": as_base64(hidden),
        "pooler_output": None if pooled is None else as_base64(pooled),
        "max_abs_difference_to_float64": error,
    }


def stored_state(model, dtype, prefix):
    state = model.state_dict()
    return {prefix + name: value.to(dtype).contiguous() for name, value in state.items()}


def digests(state):
    """Dtype, shape and a hash of the row-major bytes of each stored tensor."""
    table = {}
    for name, value in state.items():
        flat = value.detach().contiguous().reshape(-1).view(torch.uint8)
        digest = hashlib.sha256(flat.numpy().tobytes()).hexdigest()[:16]
        table[name] = [str(value.dtype).removeprefix("torch."), list(value.shape), digest]
    return table


def write_digests(state, folder):
    lines = [f" {json.dumps(name)}: {json.dumps(entry)}" for name, entry in digests(state).items()]
    (folder / "tensors.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def shards(state, count):
    names = list(state)
    size = -(-len(names) // count)
    return [names[start : start + size] for start in range(0, len(names), size)]


def save_sharded(state, folder, stem, extension, save):
    parts = shards(state, 3)
    weight_map = {}
    for index, names in enumerate(parts):
        file = f"{stem}-{index + 1:05d}-of-{len(parts):05d}.{extension}"
        save({name: state[name] for name in names}, folder / file)
        weight_map.update({name: file for name in names})
    total = sum(value.numel() * value.element_size() for value in state.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    write_json(folder / f"{stem}.{extension}.index.json", index)


def save_safetensors(state, path):
    safetensors.torch.save_file(state, path, metadata={"format": "pt"})


def uncommon_layouts(state):
    """Tensors as real checkpoints have them: transposed, inside a larger storage, tied, extra."""
    query = "encoder.layer.0.attention.self.query.weight"
    state[query] = state[query].t().contiguous().t()
    key = "encoder.layer.0.attention.self.key.weight"
    larger = torch.full((3, *state[key].shape), 7.0)
    larger[1] = state[key]
    state[key] = larger[1]
    state["cls.predictions.decoder.weight"] = state["embeddings.word_embeddings.weight"]
    state["embeddings.position_ids"] = torch.arange(40).expand((1, -1))
    return state


def save_mental_bert_like(golden, folder, seed):
    model = BertForMaskedLM(BertConfig(**golden.config))
    randomise(model, golden.weight_scale, seed)
    encoder = BertModel(BertConfig(**golden.config), add_pooling_layer=True)
    randomise(encoder, golden.weight_scale, seed + 1)
    encoder.load_state_dict(model.bert.state_dict(), strict=False)
    state = OrderedDict()
    for name, value in encoder.state_dict().items():
        old = name.replace("LayerNorm.weight", "LayerNorm.gamma")
        old = old.replace("LayerNorm.bias", "LayerNorm.beta")
        state["bert." + old] = value
    for name, value in model.state_dict().items():
        if name.startswith("cls."):
            state[name] = value
    state["cls.predictions.decoder.weight"] = state["bert.embeddings.word_embeddings.weight"]
    state["cls.seq_relationship.weight"] = torch.zeros(2, golden.config["hidden_size"])
    torch.save(state, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    write_digests(state, folder)
    return encoder


def save(golden, folder, seed):
    config_class, model_class = FAMILIES[golden.family]
    has_none = golden.family in ("electra", "distilbert")
    pooler = {} if has_none else {"add_pooling_layer": golden.pooler}
    model = model_class(config_of(config_class, golden.config), **pooler)
    randomise(model, golden.weight_scale, seed)
    reload_as_float32(model, golden.dtype)
    state = stored_state(model, golden.dtype, golden.prefix)
    if golden.storage == "safetensors":
        save_safetensors(state, folder / "model.safetensors")
    elif golden.storage == "safetensors-sharded":
        save_sharded(state, folder, "model", "safetensors", save_safetensors)
    elif golden.storage == "torch-zip":
        state = OrderedDict(state)
        if golden.dtype == torch.float32:
            state = uncommon_layouts(state)
        torch.save(state, folder / "pytorch_model.bin")
    elif golden.storage == "torch-sharded":
        save_sharded(state, folder, "pytorch_model", "bin", torch.save)
    else:
        return save_mental_bert_like(golden, folder, seed)
    write_digests(state, folder)
    return model


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def write_config(golden, folder):
    if golden.storage == "torch-legacy":
        old = {"architectures": ["BertForMaskedLM"], "hidden_act": "gelu", **golden.config}
        write_json(folder / "config.json", old)
        return
    config_class, model_class = FAMILIES[golden.family]
    config = config_of(config_class, golden.config).to_dict()
    config["architectures"] = [model_class.__name__]
    config["dtype"] = str(golden.dtype).removeprefix("torch.")
    config["position_embedding_type"] = "absolute"
    write_json(folder / "config.json", config)


def versions():
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__,
        "safetensors": safetensors.__version__,
        "numpy": numpy.__version__,
    }


def main():
    torch.set_num_threads(1)
    entries = []
    for index, golden in enumerate(MODELS):
        golden.config.setdefault("attn_implementation", "eager")
        folder = OUTPUT / golden.name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        model = save(golden, folder, 1000 + 10 * index).eval()
        assert model.config._attn_implementation == "eager"
        golden.config.pop("attn_implementation")
        write_config(golden, folder)
        if golden.family == "bert":
            tokens = vocabulary(golden.config["vocab_size"])
            (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
        values = expected_values(golden, model, 2000 + index)
        # Flat lists on one line each: the file is for machines.
        lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in values.items()]
        text = "{\n" + ",\n".join(lines) + "\n}\n"
        (folder / "expected.json").write_text(text, encoding="utf-8")
        entries.append(
            {
                "name": golden.name,
                "storage": golden.storage,
                "dtype": str(golden.dtype).removeprefix("torch."),
                "head_dim": golden.config["hidden_size"] // golden.config["num_attention_heads"],
                "pooler": values["pooler_output"] is not None,
                "lengths": golden.lengths,
                "notes": golden.notes,
            }
        )
        print(golden.name, values["max_abs_difference_to_float64"])
    write_json(OUTPUT / "manifest.json", {"versions": versions(), "models": entries})


if __name__ == "__main__":
    main()
