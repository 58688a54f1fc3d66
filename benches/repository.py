#!/usr/bin/env python3
"""Writes a made repository as a stream for `git fast-import`, the same on every run.

    repository.py history COMMITS [MIB]   COMMITS small changes; MIB of data that does not shrink
    repository.py tree MIB                one commit with MIB of files that read like source code

A tag v1.0.0 names the last commit. The files `dhfpack.toml` and `layout.toml` of the folder
CONFIG, if that is set in the environment, are in it too.
"""

import os
import random
import sys
from itertools import accumulate

WORDS = 4000
PHRASES = 20_000
FILES = 2000
BEGAN = 1_700_000_000


def vocabulary(chance):
    """Phrases of code, the frequent ones first, with the running sum of their weights."""
    marks = [" ", "(", ", ", ".", "->", " = ", ");\n    ", " {\n        ", "}\n\n", ";\n    ", "\n    // "]
    letters = "etaoinsrhldcumfpgwybvkxjqz_"
    words = ["".join(chance.choices(letters, range(27, 0, -1), k=chance.randint(2, 11))) for _ in range(WORDS)]
    phrases = [
        "".join(part for _ in range(chance.randint(1, 6)) for part in (chance.choice(words), chance.choice(marks)))
        for _ in range(PHRASES)
    ]
    return phrases, list(accumulate(1 / (rank + 8) for rank in range(PHRASES)))


def text(chance, vocabulary, size):
    """Phrases that come again, as the names of a file do: compresses about 5 to 1, like real code."""
    phrases, weights = vocabulary
    count = size // 24 + 1
    own = chance.choices(phrases, cum_weights=weights, k=count // 3 + 1)
    return "".join(chance.choices(own, k=count))[:size].ljust(size, "\n").encode()


def data(out, content):
    out.write(b"data %d\n%b\n" % (len(content), content))


def commit(out, number, message):
    out.write(b"commit refs/heads/main\nmark :%d\n" % (number + 1))
    out.write(b"committer Bench <bench@example.org> %d +0000\n" % (BEGAN + number * 60))
    data(out, message)
    if number:
        out.write(b"from :%d\n" % number)


def put(out, path, content):
    out.write(b"M 100644 inline %b\n" % path.encode())
    data(out, content)


def configuration(out):
    folder = os.environ.get("CONFIG")
    for name in ("dhfpack.toml", "layout.toml", "record.md") if folder else ():
        with open(os.path.join(folder, name), "rb") as file:
            put(out, name, file.read())


def tag(out, commits):
    out.write(b"tag v1.0.0\nfrom :%d\n" % commits)
    out.write(b"tagger Bench <bench@example.org> %d +0000\n" % (BEGAN + commits * 60))
    data(out, b"1.0.0")


def tree(out, mib):
    chance = random.Random(7)
    words = vocabulary(chance)
    commit(out, 0, b"Begin")
    configuration(out)
    left, number = mib << 20, 0
    while left > 0:
        size = min(left, int(chance.lognormvariate(9.2, 1.1)) + 1)
        put(out, f"part{number % 97:02}/module{number % 31:02}/file{number}.c", text(chance, words, size))
        left, number = left - size, number + 1
    tag(out, 1)


def history(out, commits, mib):
    chance = random.Random(11)
    words = vocabulary(chance)
    contents = [text(chance, words, 4000) for _ in range(FILES)]
    bulk = (mib << 20) // commits
    for number in range(commits):
        commit(out, number, b"Change %d" % number)
        if number == 0:
            configuration(out)
            changed = range(FILES)
        else:
            changed = [chance.randrange(FILES)]
        for file in changed:
            content = contents[file]
            at = chance.randrange(len(content))
            contents[file] = content[:at] + text(chance, words, 60) + content[at + 60 :]
            put(out, f"part{file % 20:02}/file{file}.c", contents[file])
        if bulk:
            put(out, "data.bin", chance.randbytes(bulk))
    tag(out, commits)


def main():
    what, *numbers = sys.argv[1:]
    with open(sys.stdout.fileno(), "wb", buffering=1 << 20) as out:
        if what == "tree":
            tree(out, int(numbers[0]))
        elif what == "history":
            history(out, int(numbers[0]), int(numbers[1]) if len(numbers) > 1 else 0)
        else:
            sys.exit(__doc__)


main()
