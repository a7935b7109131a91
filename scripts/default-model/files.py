"""Small things that every stage does with files."""

import hashlib
import json
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Writes a file that is there whole or not at all, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + '.part')
    part.write_text(text, encoding='utf-8')
    part.rename(path)


def write_json(path: Path, value: object) -> None:
    write_text(path, json.dumps(value, indent=2) + '\n')


def sha256_of(path: Path) -> str:
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()
