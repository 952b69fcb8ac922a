"""Ten questions, their first three hits, and why: docs/EXAMPLES.md as it is.

    python benchmarks/worked_examples.py LIBRARY [--json] > docs/EXAMPLES.md

LIBRARY is the one that ``mmbert demo`` builds. The questions were written before their answers were seen.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmbert import Library
from mmbert.console import print_json
from mmbert.titles import printable

QUESTIONS = (
    "a lively jig in D major",
    "something sad and slow for voice and piano",
    "four-part hymn with three flats",
    "brooding game music with drums, over in a minute",
    "ballroom piece in triple time that a beginner could play",
    "that tune we danced to at the ceilidh, off at a gallop, two sharps",
    "Schubert, something gentle in six-eight",
    "allegro for string quartet in a minor key",
    "pop ballad at the piano, about 70 bpm, warm and unhurried",
    "a fugue, or at least something with voices chasing each other",
)
SHOWN = 3
_HEAD = """# Ten questions

What `mmbert search` answers in the library of `mmbert demo`, with the released weights: the first three hits and the
reason that is given for each. The questions were written before their answers were seen. Printed by
`python benchmarks/worked_examples.py LIBRARY`.
"""


def main() -> int:
    """Ask and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library", type=Path)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args = parser.parse_args()
    with Library.open(args.library) as library:
        answers = [library.search(question, limit=SHOWN) for question in QUESTIONS]
    if args.json:
        print_json({"answers": [answer.to_json() for answer in answers]})
        return 0
    print(_HEAD)
    for question, answer in zip(QUESTIONS, answers, strict=True):
        print(f"## {question}\n")
        if answer.query.conditions:
            print(f"Understood: {', '.join(map(str, answer.query.conditions))}.\n")
        if answer.nothing_fits:
            print("Nothing fits, it says; the nearest:\n")
        for hit in answer.hits:
            composer = f", {printable(hit.facets.composer)}" if hit.facets.composer else ""
            print(f"{hit.rank}. **{printable(hit.title)}**{composer}: {printable(hit.why)}")
        print()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
