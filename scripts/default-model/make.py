"""Trains fusebert-mini from nothing: packages, corpus, teacher's answers, student, model folder.

    python make.py --teacher FOLDER --work FOLDER --output FOLDER

Every stage is skipped when its result is there, and the two long ones go on from their last saved
step, so the same command continues after an interruption. `--smoke` runs all stages on this
repository's own text within a minute; its model is good for nothing.
"""

import argparse
import json
import platform
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

import corpus as corpora
import extract
import sources as catalogue
from export import export
from files import sha256_of, write_json
from teacher import TOKENS_SCRIPT, label
from train import GEOMETRY, Trainer

ROOT = Path(__file__).resolve().parents[2]
THREADS = 2
AFTERWARDS = {'evaluate', 'card'}  # scripts without influence on the model
LIBRARIES = ('numpy', 'safetensors', 'tokenizers', 'torch')


@dataclass(frozen=True)
class Run:
    """What decides the result; a work folder belongs to one such run."""

    smoke: bool
    seed: int = 20261125
    held_out_per_mille: int = corpora.HELD_OUT_PER_MILLE
    # Out of the whole corpus evenly: what two hours leave time for.
    teacher_texts: int = 500_000
    epochs: int = 5


SMOKE = Run(smoke=True, held_out_per_mille=300, epochs=8)
SMOKE_SOURCES = [catalogue.Source('repository', '', extract.repository_text, 2_000)]
SAVE_SECONDS, SMOKE_SAVE_SECONDS = 60.0, 1.0


def log(message: str) -> None:
    print(f'{time.strftime("%H:%M:%S")} {message}', flush=True)


def check_work(run: Run, work: Path) -> None:
    """Refuses to go on with what another run left."""
    work.mkdir(parents=True, exist_ok=True)
    path, wanted = work / 'run.json', {**asdict(run), 'geometry': asdict(GEOMETRY)}
    if path.exists() and json.loads(path.read_text()) != wanted:
        raise SystemExit(f'{work} belongs to a run with other settings, see {path}: give --work '
                         'another folder.')
    write_json(path, wanted)


def make_corpus(run: Run, work: Path, teacher: Path) -> None:
    """Stage 1: train, held-out and unseen texts, with counts and checksums in corpus.json."""
    if (work / 'corpus.json').exists():
        return
    archives = {archive.name: archive for archive in catalogue.ARCHIVES}
    parts = {name: corpora.Corpus() for name in ('train', 'heldout', 'unseen')}
    digests, seen = {}, set()
    for index, source in enumerate(SMOKE_SOURCES if run.smoke else catalogue.SOURCES):
        folder = ROOT
        if not run.smoke:
            folder, digests[source.archive] = catalogue.fetch(archives[source.archive], work)
        texts = corpora.sample(source.documents(folder), source.limit, run.seed + index, seen,
                               run.held_out_per_mille)
        log(f'{source.name}: {len(texts):,} texts')
        for text, held_out in texts:
            part = 'unseen' if source.unseen else 'heldout' if held_out else 'train'
            parts[part].add(text, source.name)
    for name in ('heldout', 'unseen'):
        parts['train'], dropped = corpora.without_overlap(parts['train'], parts[name])
        log(f'{dropped:,} training texts dropped for words that {name} ones have too')
    tokenizer = corpora.teacher_tokenizer(teacher)
    record = {name: corpora.write(part, tokenizer, work / name)
              for name, part in parts.items() if part.texts}
    write_json(work / 'corpus.json', {**record, 'packages': digests})


def make_student(run: Run, work: Path, teacher: Path, output: Path) -> None:
    """Stages 2 to 4: the teacher's answers, the student, the model folder."""
    ids, cu_seqlens = corpora.load(work / 'train')
    save_seconds = SMOKE_SAVE_SECONDS if run.smoke else SAVE_SECONDS
    answers = label(teacher, work / 'train', work, run.teacher_texts, run.seed, log)
    trainer = Trainer(teacher, answers, work / 'student.pt', run.seed)
    student = trainer.run(np.asarray(ids), cu_seqlens, run.epochs, save_seconds, log)
    checksums = export(student, teacher, output)
    scripts = {path.name: sha256_of(path)
               for path in sorted([*Path(__file__).parent.glob('*.py'), TOKENS_SCRIPT])
               if path.stem not in AFTERWARDS}
    write_json(work / 'training.json', {
        **json.loads((work / 'run.json').read_text()), 'steps': trainer.step,
        'texts': len(answers.texts),
        'tokens': int(np.diff(cu_seqlens)[answers.texts].sum()),
        'python': platform.python_version(), 'libraries': {n: version(n) for n in LIBRARIES},
        'scripts': scripts, 'teacher': sha256_of(teacher / 'model.safetensors'),
        'corpus': json.loads((work / 'corpus.json').read_text()), 'files': checksums})
    log(f'wrote {output}')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--teacher', type=Path, default=ROOT / '../shared/models/all-minilm-l6-v2')
    parser.add_argument('--work', type=Path, required=True, help='packages, corpus, checkpoints')
    parser.add_argument('--output', type=Path, required=True, help='the finished model folder')
    parser.add_argument('--smoke', action='store_true', help='everything, tiny, within a minute')
    args = parser.parse_args()
    torch.set_num_threads(THREADS)
    run = SMOKE if args.smoke else Run(smoke=False)
    check_work(run, args.work)
    make_corpus(run, args.work, args.teacher)
    make_student(run, args.work, args.teacher, args.output)


if __name__ == '__main__':
    main()
