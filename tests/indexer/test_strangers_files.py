"""Damaged and hostile files through the reading processes of a build: each ends in pieces or in a reason."""

from __future__ import annotations

import pytest
from mmbert_indexer.reading import Request
from mmbert_indexer.scan import hashed, look
from mmbert_indexer.workers import WorkerPool

from benchmarks.fuzzing.cases import FORMATS, Cases
from mmbert.errors import ItemError

pytest.importorskip("soundfile")
FILES = 12  # of each format


def test_no_file_is_lost_and_no_process_with_it(tmp_path):
    for name in FORMATS:
        files = Cases(name, seed=21)
        for case in map(files.case, range(FILES)):
            (tmp_path / case.name).write_bytes(case.data)
    requests = [Request(hashed(look(str(p))), frozenset({"score"})) for p in sorted(tmp_path.iterdir())]
    pool = WorkerPool(1)
    try:
        answers = [list(pieces) for _, pieces in pool.read(requests)]
    finally:
        pool.close()
    assert len(answers) == len(FORMATS) * FILES
    assert all(answers)
    reasons = [a for pieces in answers for a in pieces if isinstance(a, ItemError)]
    assert not {r.code for r in reasons} & {"E_CRASH", "E_TIMEOUT", "E_MEMORY", "E_UNEXPECTED"}
    assert sum(not isinstance(a, ItemError) for pieces in answers for a in pieces) > len(FORMATS)
