"""Makes test/golden/heads: tiny seeded models of BERT and its kin with a head, saved by
Hugging Face transformers, each with the logits that transformers computes from it in float32
(eager attention), and how far the naive way of computing them in fp16 is from float64.

Usage: pip install -r requirements.txt && python heads.py
Format: test/golden/README.md. Each sequence runs alone, without padding, on one thread.
"""

import copy
import json
import shutil
from dataclasses import dataclass, field

import torch
import transformers
from transformers import BertConfig, DistilBertConfig, ElectraConfig, RobertaConfig

from generate import OUTPUT, as_base64, config_of, encode, geometry, randomise, versions, write_json

HEADS = OUTPUT / "heads"
LENGTHS = [1, 2, 9, 24]
VOCABULARY = 61  # no multiple of what a kernel likes
MASK = 4


@dataclass
class GoldenHead:
    """One model folder: the class that saves it, and what its config says beside the geometry."""

    name: str
    model: str
    task: str
    config: dict = field(default_factory=dict)
    # One row a sequence; else one a token.
    pooled: bool = False
    # pytorch_model.bin instead of model.safetensors.
    torch: bool = False

    def config_class(self):
        families = {
            "Bert": BertConfig,
            "DistilBert": DistilBertConfig,
            "Electra": ElectraConfig,
            "Roberta": RobertaConfig,
        }
        return next(config for name, config in families.items() if self.model.startswith(name))


def labels(count):
    return {"id2label": {index: f"label {index}" for index in range(count)}}


MODELS = [
    GoldenHead("masked-lm", "BertForMaskedLM", "masked-lm"),
    GoldenHead(
        "masked-lm-untied",
        "BertForMaskedLM",
        "masked-lm",
        dict(tie_word_embeddings=False, hidden_act="gelu_new", layer_norm_eps=1e-5),
    ),
    GoldenHead("pretraining", "BertForPreTraining", "masked-lm", dict(hidden_act="relu")),
    GoldenHead(
        "next-sentence", "BertForNextSentencePrediction", "next-sentence", pooled=True
    ),
    GoldenHead(
        "sequence-classification",
        "BertForSequenceClassification",
        "sequence-classification",
        labels(5),
        pooled=True,
    ),
    GoldenHead(
        "token-classification", "BertForTokenClassification", "token-classification", labels(7)
    ),
    GoldenHead("question-answering", "BertForQuestionAnswering", "question-answering"),
    # The head's activation is gelu, whatever the hidden layers' is.
    GoldenHead(
        "roberta-masked-lm", "RobertaForMaskedLM", "masked-lm", dict(hidden_act="relu")
    ),
    GoldenHead(
        "roberta-masked-lm-untied",
        "RobertaForMaskedLM",
        "masked-lm",
        dict(tie_word_embeddings=False),
        torch=True,
    ),
    GoldenHead(
        "roberta-sequence-classification",
        "RobertaForSequenceClassification",
        "sequence-classification",
        labels(5),
        pooled=True,
    ),
    GoldenHead(
        "roberta-sequence-classification-torch",
        "RobertaForSequenceClassification",
        "sequence-classification",
        labels(3),
        pooled=True,
        torch=True,
    ),
    GoldenHead(
        "roberta-token-classification",
        "RobertaForTokenClassification",
        "token-classification",
        labels(7),
    ),
    GoldenHead(
        "roberta-question-answering", "RobertaForQuestionAnswering", "question-answering"
    ),
    GoldenHead("electra-masked-lm", "ElectraForMaskedLM", "masked-lm", dict(hidden_act="silu")),
    GoldenHead(
        "electra-sequence-classification",
        "ElectraForSequenceClassification",
        "sequence-classification",
        labels(5),
        pooled=True,
    ),
    GoldenHead(
        "electra-token-classification",
        "ElectraForTokenClassification",
        "token-classification",
        labels(7),
    ),
    GoldenHead(
        "electra-question-answering", "ElectraForQuestionAnswering", "question-answering"
    ),
    GoldenHead("distilbert-masked-lm", "DistilBertForMaskedLM", "masked-lm"),
    GoldenHead(
        "distilbert-sequence-classification",
        "DistilBertForSequenceClassification",
        "sequence-classification",
        labels(5),
        pooled=True,
    ),
    GoldenHead(
        "distilbert-token-classification",
        "DistilBertForTokenClassification",
        "token-classification",
        labels(7),
    ),
    GoldenHead(
        "distilbert-question-answering", "DistilBertForQuestionAnswering", "question-answering"
    ),
    GoldenHead(
        "pretraining-next-sentence", "BertForPreTraining", "next-sentence", pooled=True
    ),
]


def logits_of(output, task):
    """[rows, columns] of one sequence's output, whatever its class calls them."""
    if "start_logits" in output:
        return torch.stack([output.start_logits[0], output.end_logits[0]], dim=-1)
    if "prediction_logits" in output:
        of_task = {"masked-lm": "prediction_logits", "next-sentence": "seq_relationship_logits"}
        logits = output[of_task[task]]
    else:
        logits = output.logits
    return logits[0] if logits.dim() == 3 else logits


def run(model, sequences, task):
    with torch.no_grad():
        has_types = model.config.model_type != "distilbert"
        outputs = [
            model(input_ids=ids, **({"token_type_ids": types} if has_types else {}))
            for ids, types in sequences
        ]
    return torch.cat([logits_of(output, task) for output in outputs])


def to_fp16(value):
    return value.to(torch.float16).to(torch.float64)


def make_naive(model):
    """The model in float64 with matrices, and the inputs of every layer, rounded to fp16."""
    naive = copy.deepcopy(model).double()
    with torch.no_grad():
        for parameter in naive.parameters():
            if parameter.dim() == 2:
                parameter.copy_(to_fp16(parameter))
    for module in naive.modules():
        if isinstance(module, (torch.nn.Linear, torch.nn.LayerNorm)):
            module.register_forward_pre_hook(lambda _, given: (to_fp16(given[0]),))
        if isinstance(module, torch.nn.Linear):
            module.register_forward_hook(lambda _, given, output: to_fp16(output))
    return naive


def geometry_of(golden):
    numbers = {
        **geometry(32, 2, 37, 1),
        "vocab_size": VOCABULARY,
        "max_position_embeddings": max(LENGTHS),
    }
    if golden.config_class() is ElectraConfig:
        numbers["embedding_size"] = numbers["hidden_size"]
    if golden.config_class() is RobertaConfig:
        padding = 1
        numbers.update(type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=padding)
        numbers["max_position_embeddings"] += padding + 1
    return numbers


def expected_values(golden, model, seed):
    sequences = encode(LENGTHS, model.config, seed)
    for ids, _ in sequences:
        ids[:, ids.shape[1] // 2] = MASK
    logits = run(model, sequences, golden.task)
    exact = run(copy.deepcopy(model).double(), sequences, golden.task)
    naive = run(make_naive(model), sequences, golden.task) - exact
    cu_seqlens = [0]
    for length in LENGTHS:
        cu_seqlens.append(cu_seqlens[-1] + length)
    return {
        "outputs": logits.shape[1],
        "cu_seqlens": cu_seqlens,
        "input_ids": torch.cat([ids[0] for ids, _ in sequences]).tolist(),
        "token_type_ids": torch.cat([types[0] for _, types in sequences]).tolist(),
        "logits": as_base64(logits),
        "max_abs_difference_to_float64": (logits.double() - exact).abs().max().item(),
        "naive_fp16": {
            "max": naive.abs().max().item(),
            "rms": naive.square().mean().sqrt().item(),
        },
    }


def main():
    torch.set_num_threads(1)
    entries = []
    shutil.rmtree(HEADS, ignore_errors=True)
    for index, golden in enumerate(MODELS):
        folder = HEADS / golden.name
        folder.mkdir(parents=True)
        fields = {**geometry_of(golden), **golden.config, "attn_implementation": "eager"}
        config = config_of(golden.config_class(), fields)
        model = getattr(transformers, golden.model)(config).eval()
        randomise(model, 0.2, 3000 + 10 * index)
        model.save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        if golden.torch:
            (folder / "model.safetensors").unlink()
            torch.save(model.state_dict(), folder / "pytorch_model.bin")
        values = expected_values(golden, model, 4000 + index)
        lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in values.items()]
        text = "{\n" + ",\n".join(lines) + "\n}\n"
        (folder / "expected.json").write_text(text, encoding="utf-8")
        entries.append({"name": golden.name, "class": golden.model, "task": golden.task,
                        "pooled": golden.pooled, "mask_token_id": MASK})
        print(golden.name, values["max_abs_difference_to_float64"], values["naive_fp16"])
    write_json(HEADS / "manifest.json", {"versions": versions(), "models": entries})


if __name__ == "__main__":
    main()
