"""Damaged and hostile files of music, and what becomes of them: the parts of ``benchmarks/fuzz.py``.

``cases`` makes file i of a format from a seed; ``raw``, ``midi``, ``xml``, ``mxl``, ``abc`` and ``sound`` hold what
may be done to one; ``check`` reads it and holds what comes to the law; ``pool`` does so in processes that may die.
"""
