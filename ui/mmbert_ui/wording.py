"""How the page words things: facts of a piece, conditions as chips, bands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mmbert.audio.sounds import said
from mmbert.facets import FACETS, fold, note_name, satisfied, show
from mmbert.retrieval.conditions import is_pace_class, pace_fits, read_where
from mmbert.types import Condition, Facets, Hit, Kind

CLOSE, RELATED = 0.98, 0.85  # shares of random pieces that a hit beats


def band(hit: Hit, nothing_fits: bool) -> str:
    """How near a hit is, in one word: ``close``, ``related`` or ``loose``; empty where nothing was compared."""
    if hit.similarity is None:
        return ""  # a listing by conditions alone: all that is shown fits
    if nothing_fits or hit.score < RELATED:
        return "loose"
    return "close" if hit.score >= CLOSE else "related"


def measure(hit: Hit) -> str:
    """The numbers behind the band, for the tooltip."""
    text = f"fits better than {100 * hit.score:.0f} % of pieces taken at random"
    return text if hit.similarity is None else f"{text}; cosine {hit.similarity:.3f}"


# Facts of a card: the facet that is shown, its label, and the facets of the conditions that it answers. Of a recording
# what a network hears stands for the instruments.
_SHOWN = (
    ("form", "Form", ("form",)),
    ("key", "Key", ("key", "mode")),
    ("tempo_bpm", "Tempo", ("tempo_bpm", "pace")),
    ("pace", "Pace", ("pace",)),
    ("metre", "Metre", ("metre",)),
    ("duration_s", "Length", ("duration_s",)),
    ("instruments", "For", ("instruments", "families")),
)
_HEARD = ("sounds", "Heard (estimated)", ("sounds", "instruments", "families", "has_drums"))


def facts(facets: Facets, asked: Sequence[Condition] = (), kind: Kind = "score") -> list[dict[str, Any]]:
    """``{label, value, fits}`` of the facts that a card shows, and of others that were asked for.

    What is unknown is left out. ``fits`` says that the fact is what was asked for. Pace stands for a tempo that the
    file does not state.

    >>> jig = Facets(key="D", mode="minor", metre="6/8", form="jig", duration_s=62, instruments=("violin",))
    >>> [(f["label"], f["value"], f["fits"]) for f in facts(jig, [Condition("mode", "=", "minor")])][:2]
    [('Form', 'jig', False), ('Key', 'D minor', True)]
    >>> facts(Facets(parts=4), [Condition("parts", "=", 4, "four-part")])
    [{'label': 'Parts', 'value': '4', 'fits': True}]
    >>> heard = Facets(duration_s=75, instruments=("violin",), sounds=("Violin, fiddle", "Orchestra"))
    >>> [(f["label"], f["value"]) for f in facts(heard, kind="recording")]
    [('Length', '1:15'), ('Heard (estimated)', 'violin, orchestra')]
    """
    rows = []
    shown = (*_SHOWN[:-1], _HEARD) if kind == "recording" else _SHOWN
    for name, label, answers in shown:
        value = _LISTS[name](facets) if name in _LISTS else show(name, facets)
        if not value or (name == "pace" and facets.tempo_bpm is not None):
            continue
        mine = [c for c in asked if c.facet in answers]
        rows.append({"label": label, "value": value, "fits": bool(mine) and all(_fits(c, facets) for c in mine)})
    usual = {facet for _, _, answers in shown for facet in answers} | {"title", "composer"}
    for c in {c.facet: c for c in asked if c.facet not in usual}.values():
        if value := show(c.facet, facets):
            rows.append({"label": FACETS[c.facet].label, "value": value, "fits": _fits(c, facets)})
    return rows


_LISTS: dict[str, Callable[[Facets], str]] = {
    "instruments": lambda facets: shortened(facets.instruments),
    "sounds": lambda facets: shortened([said(name) for name in facets.sounds]),
}


def filters_of(facets: Facets) -> list[dict[str, Any]]:
    """``{text, where}`` of what a person may want more of: each makes a filter of one of the piece's own facts.

    >>> jig = Facets(key="D", mode="minor", form="jig", instruments=("violin",))
    >>> [(f["text"], f["where"]) for f in filters_of(jig)]
    [('jig', ['form=jig']), ('D minor', ['key=D', 'mode=minor']), ('with violin', ['instruments=violin'])]
    """
    known: list[list[Condition]] = [
        [Condition("composer", "=", facets.composer)] if facets.composer else [],
        [Condition("form", "=", facets.form)] if facets.form else [],
        [Condition("key", "=", facets.key), Condition("mode", "=", facets.mode)] if facets.key and facets.mode else [],
        [Condition("metre", "=", facets.metre)] if facets.metre else [],
        [Condition("instruments", "=", facets.instruments[0])] if facets.instruments else [],
    ]
    return [{"text": _joined(group), "where": [str(c) for c in group]} for group in known if group]


def _fits(condition: Condition, facets: Facets) -> bool:
    if is_pace_class(condition):
        found = pace_fits(str(condition.value), facets)
        return found is (condition.operator != "!=")
    return bool(satisfied(condition, facets))


def shortened(names: Sequence[str], most: int = 4) -> str:
    """A list in words, cut after ``most``.

    >>> shortened(["flute", "oboe", "horn"], 2)
    'flute, oboe and 1 more'
    """
    text = ", ".join(names[:most])
    return text if len(names) <= most else f"{text} and {len(names) - most} more"


_OPERATORS = {"<": "under", "<=": "at most", ">": "over", ">=": "at least", "!=": "not", "~": "has"}


def condition_text(condition: Condition) -> str:
    """A condition as a person reads it.

    >>> [condition_text(c) for c in (Condition("tempo_bpm", "<", 76.0), Condition("mode", "=", "minor"))]
    ['tempo under 76 bpm', 'minor']
    >>> [condition_text(c) for c in (Condition("has_drums", "=", False), Condition("composer", "=", "Bach"))]
    ['no drums', 'by Bach']
    >>> condition_text(Condition("instruments", "!=", "piano")), condition_text(Condition("parts", "=", 4.0))
    ('not with piano', '4 parts')
    """
    name, operator, value = condition.facet, condition.operator, condition.value
    fact, label = FACETS[name], FACETS[name].label[0].lower() + FACETS[name].label[1:]
    if fact.kind == "flag":
        return label if bool(value) == (operator == "=") else f"no {label}"
    if fact.kind == "number" and isinstance(value, str):  # pace=slow
        return f"not {value}" if operator == "!=" else value
    if fact.kind == "number":
        return _number_text(name, label, operator, float(value))
    text = str(value)
    if name in ("instruments", "families"):
        text = f"with {text}"
    elif name == "composer":
        text = f"by {text}"
    elif name == "title":
        text = f"title has “{text}”"
    elif name == "metre":
        text = f"metre {text}"
    elif name == "key":
        text = f"in {text}"
    return f"not {text}" if operator == "!=" else text


def _number_text(name: str, label: str, operator: str, value: float) -> str:
    if name in ("parts", "bars") and operator == "=":
        return f"{value:g} {label}"
    shown = f"{int(value) // 60}:{int(value) % 60:02d}" if name == "duration_s" else f"{value:g}"
    shown = note_name(int(value)) if name in ("pitch_low", "pitch_high") else shown
    unit = "" if name == "duration_s" else f" {FACETS[name].unit}".rstrip()
    sign = _OPERATORS.get(operator, "")
    return " ".join(part for part in (label, sign, shown) if part) + unit


def chips(conditions: Sequence[Condition], where: Sequence[str]) -> list[dict[str, Any]]:
    """What was understood, one chip a phrase.

    Args:
        conditions: Of the answer: read from the words, or given as filters.
        where: The filters as they were sent.

    Returns:
        ``{text, words, where, hard, added}`` each: ``where`` makes it a filter, ``added`` are the filters that it is
        made of now. What is both wish and filter is shown once.

    >>> found = (Condition("key", "=", "D", "D minor"), Condition("mode", "=", "minor", "D minor"))
    >>> [(c["text"], c["where"], c["hard"]) for c in chips(found, [])]
    [('D minor', ['key=D', 'mode=minor'], False)]
    >>> both = (Condition("parts", "=", 4, "four-part"), Condition("parts", "=", 4.0, hard=True))
    >>> [(c["text"], c["words"], c["hard"], c["added"]) for c in chips(both, ["parts=4"])]
    [('4 parts', 'four-part', True, ['parts=4'])]
    """
    sent = {text: {_same(c) for c in read_where(text)} for text in where}
    hard = {_same(c) for c in conditions if c.hard}
    spoken = {_same(c): c.words for c in reversed(conditions) if c.words}
    groups: dict[tuple[str, str], dict[tuple, Condition]] = {}
    for c in conditions:
        words = spoken.get(_same(c), "")
        alone = "" if words or c.facet in ("key", "mode") else str(c)
        groups.setdefault((words, alone), {}).setdefault(_same(c), c)
    return [
        {
            "text": _joined(list(group.values())),
            "words": words,
            "where": [str(c) for c in group.values()],
            "hard": set(group) <= hard,
            "added": [text for text, meant in sent.items() if meant & set(group)],
        }
        for (words, _), group in groups.items()
    ]


def _same(condition: Condition) -> tuple:
    """Equal for conditions that ask the same: ``parts=4`` and ``parts=4.0``."""
    value = condition.value
    return condition.facet, condition.operator, fold(value) if isinstance(value, str) else float(value)


def _joined(group: Sequence[Condition]) -> str:
    by_facet = {c.facet: c for c in group if c.operator == "="}
    if len(group) == 2 and set(by_facet) == {"key", "mode"}:
        return f"{by_facet['key'].value} {by_facet['mode'].value}"
    return ", ".join(condition_text(c) for c in group)
