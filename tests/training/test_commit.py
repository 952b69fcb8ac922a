"""Results name the code that they are of."""

import re

from mmbert_training.commit import commit


def test_a_hash_and_whether_files_differ():
    assert re.fullmatch(r"([0-9a-f]{7,40}(-dirty)?)?", commit())
