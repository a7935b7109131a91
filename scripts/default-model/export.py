"""Writes the trained student as a model folder: a Hugging Face checkpoint for sentence vectors."""

import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

from encoder import Encoder, Geometry
from files import sha256_of, write_json

MAX_SEQ_LENGTH = 256
MODULES = [
    {'idx': 0, 'name': '0', 'path': '', 'type': 'sentence_transformers.models.Transformer'},
    {'idx': 1, 'name': '1', 'path': '1_Pooling', 'type': 'sentence_transformers.models.Pooling'},
    {'idx': 2, 'name': '2', 'path': '2_Normalize',
     'type': 'sentence_transformers.models.Normalize'}]


def config_of(geometry: Geometry) -> dict[str, object]:
    return {
        'architectures': ['BertModel'], 'model_type': 'bert',
        'attention_probs_dropout_prob': 0.1, 'hidden_act': 'gelu', 'hidden_dropout_prob': 0.1,
        'hidden_size': geometry.hidden_size, 'initializer_range': 0.02,
        'intermediate_size': geometry.intermediate_size,
        'layer_norm_eps': geometry.layer_norm_eps,
        'max_position_embeddings': geometry.max_position_embeddings,
        'num_attention_heads': geometry.num_attention_heads,
        'num_hidden_layers': geometry.num_hidden_layers, 'pad_token_id': 0,
        'position_embedding_type': 'absolute', 'torch_dtype': 'float16',
        'type_vocab_size': geometry.type_vocab_size, 'vocab_size': geometry.vocab_size}


def export(student: Encoder, teacher: Path, output: Path) -> dict[str, str]:
    """Fills `output` and returns the SHA-256 of each file; a model card there stays as it is."""
    output.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.to(torch.float16).contiguous()
               for name, value in student.state_dict().items()}
    save_file(tensors, output / 'model.safetensors', metadata={'format': 'pt'})
    write_json(output / 'config.json', config_of(student.geometry))
    write_json(output / 'modules.json', MODULES)
    write_json(output / '1_Pooling/config.json', {
        'word_embedding_dimension': student.geometry.hidden_size, 'pooling_mode_cls_token': False,
        'pooling_mode_mean_tokens': True, 'pooling_mode_max_tokens': False,
        'pooling_mode_mean_sqrt_len_tokens': False})
    write_json(output / 'sentence_bert_config.json',
               {'max_seq_length': MAX_SEQ_LENGTH, 'do_lower_case': False})
    write_json(output / 'tokenizer_config.json', {
        'tokenizer_class': 'BertTokenizer', 'do_lower_case': True,
        'model_max_length': MAX_SEQ_LENGTH, 'unk_token': '[UNK]', 'sep_token': '[SEP]',
        'pad_token': '[PAD]', 'cls_token': '[CLS]', 'mask_token': '[MASK]',
        'strip_accents': None, 'tokenize_chinese_chars': True})
    shutil.copyfile(teacher / 'vocab.txt', output / 'vocab.txt')
    return {str(path.relative_to(output)): sha256_of(path)
            for path in sorted(output.rglob('*')) if path.is_file() and path.suffix != '.md'}
