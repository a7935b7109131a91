"""sentence-transformers as the other side of a pair, in a process of its own that suites/minilm.mjs
starts: lines of JSON come in on stdin, an answer goes out for each. {"texts": [...]} keeps texts,
{"run": true} embeds them all in one call, with "vectors": true giving them back.
"""

import argparse
import json
import os
import sys

# Nothing is looked up on a hub.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import torch  # noqa: E402
from sentence_transformers import SentenceTransformer  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = SentenceTransformer(arguments.folder, device="cpu")
    # The answers' own channel: libraries may print to stdout.
    answers, sys.stdout = sys.stdout, sys.stderr
    texts: list[str] = []
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict = {"threads": torch.get_num_threads()}
        if "texts" in request:
            texts = request["texts"]
        else:
            vectors = model.encode(
                texts, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
            )
            if request.get("vectors"):
                answer["vectors"] = vectors.tolist()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
