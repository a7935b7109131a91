"""What transformers computes with the embedded model: test/golden/fusebert-mini.json.

    python embedded.py

Run it after the model has changed. fp32 arithmetic on the model's fp16 weights, mean over the
tokens, divided by the L2 norm.
"""

import json
from pathlib import Path

import torch
import transformers

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / 'models/fusebert-mini'
TEXTS = [
    'I cannot sleep.',
    'Awake all night again; third time this week :(',
    'a',
    '',
    'Does anyone else feel more anxious on Sunday evenings?',
    'Übergrößenträger, naïve café, 北京, ½ and 🙂',
    'antidisestablishmentarianism ' * 12,
    'How do you tell your family that you need help? I have written the message five times. ' * 4,
    'The quick brown fox jumps over the lazy dog. ' * 40,
]
MAX_LENGTH, DIGITS = 256, 7


def main() -> None:
    tokenizer = transformers.BertTokenizerFast.from_pretrained(str(MODEL))
    model = transformers.BertModel.from_pretrained(
        str(MODEL), dtype=torch.float32, add_pooling_layer=False).eval()
    rows = []
    for text in TEXTS:
        inputs = tokenizer(text, truncation=True, max_length=MAX_LENGTH, return_tensors='pt')
        with torch.inference_mode():
            pooled = model(**inputs).last_hidden_state[0].mean(0)
        row = torch.nn.functional.normalize(pooled, dim=0)
        rows.append([round(value, DIGITS) for value in row.tolist()])
    versions = {'torch': torch.__version__, 'transformers': transformers.__version__}
    target = ROOT / 'test/golden/fusebert-mini.json'
    target.write_text(json.dumps(
        {'made_with': versions, 'texts': TEXTS, 'embeddings': rows}, ensure_ascii=False) + '\n')


if __name__ == '__main__':
    main()
