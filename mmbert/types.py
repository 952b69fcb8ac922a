"""The forms in which data travels through mmbert. Small, frozen, printable; nothing here imports torch.

path -> Item -> Facets, Window -> Stream -> vectors -> Library -> Query -> Hit
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch

    from mmbert.symbolic.score import Score

Kind = Literal["score", "recording", "text"]
Order = Literal["best", "varied", "title", "length", "tempo"]
Modality = Literal["score", "recording", "text", "facets"]
MODALITIES: tuple[Modality, ...] = ("text", "facets", "score", "recording")


@dataclass(frozen=True)
class Source:
    """Where an item came from.

    Attributes:
        path: The file.
        sha256: Hex digest of the file's bytes.
        number: Which piece within the file, from 0.
        size: Bytes of the file.
    """

    path: Path
    sha256: str
    number: int = 0
    size: int = 0


class Sound(Protocol):
    """One run through a recording, from its beginning to its end.

    Attributes:
        flaw: What is wrong with the file, in words, such as where it breaks off; empty where nothing is. Known at the
            end.
        clipped: Samples given so far at which some channel is as loud as a file can hold.
    """

    flaw: str
    clipped: int

    def __iter__(self) -> Iterator[np.ndarray]:
        """float32 [n] of each block: mono, in [-1, 1].

        Raises:
            ItemError: the rest cannot be used: too long, no numbers, or nothing but silence.
        """


@dataclass(frozen=True)
class Recording:
    """Sound that lies in a file. It is decoded in blocks whenever it is heard, so that hours of it take no memory.

    Attributes:
        sample_rate: Hz.
        sound: Begins a run through it.
    """

    sample_rate: int
    sound: Callable[[], Sound]


@dataclass(frozen=True)
class Item:
    """One piece: the unit of search. A tune book gives many.

    Attributes:
        kind: ``score``, ``recording`` or ``text``; the field of that name is set.
        source: File, digest and number within the file; (sha256, number) is the item's key.
        metadata: Words that the file itself states: ``title``, ``composer`` (of a recording its artist), ``form``,
            ``description``, ``collection``, ``album``; absent where it states none. Never guessed from the notes.
        score: Its notes; of a recording those of its tune in free time, where it was transcribed and the sound is no
            longer there.
        recording: Its sound.
        text: Its words.
    """

    kind: Kind
    source: Source
    metadata: Mapping[str, str] = field(default_factory=dict)
    score: Score | None = None
    recording: Recording | None = None
    text: str | None = None

    @property
    def uid(self) -> str:
        """Stable id over renames and rebuilds: digest of the content and number within it."""
        return f"{self.source.sha256[:32]}-{self.source.number}"


@dataclass(frozen=True)
class Facets:
    """Measured musical facts about one piece. None (or an empty tuple) means unknown, never a default.

    The field names are the names in the JSON, the database, ``--where``, captions and "why" lines;
    ``mmbert.facets.FACETS`` says how each is worded, compared and binned.

    Attributes:
        key: Tonic, estimated from the notes: ``C``, ``C#``, ``Db`` ... ``B``.
        mode: ``major`` or ``minor``, estimated from the notes.
        key_confidence: 0-1, of key and mode together.
        tempo_bpm: Quarter notes a minute, time-weighted, where the file states a tempo; else None, never 120.
        tempo_confidence: 0-1, how likely the tempo of a recording is what a score would state; None of what a file
            states.
        pace: Onsets a second where a tempo is known, else onsets a bar; :attr:`pace_unit` says which.
        metre: The metre in force for most bars, such as ``6/8``.
        bars: Number of bars.
        duration_s: Seconds; at 120 bpm where the file states no tempo.
        instruments: General MIDI names in lower case, most notes first; ``drums`` for percussion.
        families: General MIDI families of the instruments (``strings``, ``piano`` ...), most notes first.
        has_drums: Whether a percussion part sounds.
        parts: Number of parts with notes.
        polyphony: Mean number of notes sounding while any sounds.
        notes_per_bar: Mean number of notes a bar.
        pitch_low: Lowest MIDI pitch of the pitched parts.
        pitch_high: Highest MIDI pitch of the pitched parts.
        velocity_mean: Mean MIDI velocity, 1-127; None where every note has the same (nothing was played).
        loudness_db: Of a recording, dB below full scale: mean power of what is not silent.
        sounds: What is heard in a recording, the most probable first, by AudioSet's names.
        form: What the file calls itself: ``jig``, ``hymn``, ``waltz`` ...
        title: Title from the file, else from its name.
        composer: Composer from the file; of a recording its artist, since both are asked for as "by".

    Of a recording, key, mode and tempo are estimates from its sound, instruments and families those that a network
    hears; nothing that needs notes is known.

    Performed MIDI whose notes do not follow its bar grid has no metre, bars, notes_per_bar or tempo_bpm
    (:attr:`free_time`), and its pace is in seconds.
    """

    key: str | None = None
    mode: str | None = None
    key_confidence: float | None = None
    tempo_bpm: float | None = None
    tempo_confidence: float | None = None
    pace: float | None = None
    metre: str | None = None
    bars: int | None = None
    duration_s: float | None = None
    instruments: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    has_drums: bool | None = None
    parts: int | None = None
    polyphony: float | None = None
    notes_per_bar: float | None = None
    pitch_low: int | None = None
    pitch_high: int | None = None
    velocity_mean: float | None = None
    loudness_db: float | None = None
    sounds: tuple[str, ...] = ()
    form: str | None = None
    title: str | None = None
    composer: str | None = None

    @property
    def pace_unit(self) -> Literal["second", "bar"]:
        """What :attr:`pace` counts onsets by."""
        return "second" if self.tempo_bpm is not None or self.bars is None else "bar"

    @property
    def free_time(self) -> bool:
        """Whether this is a score that was played without regard to its bar grid."""
        return self.parts is not None and self.bars is None

    @property
    def timed(self) -> bool:
        """Whether its seconds are measured: those of a score without a tempo are at an assumed one."""
        return self.tempo_bpm is not None or self.free_time or self.parts is None

    def known(self) -> dict[str, Any]:
        """The facets that are known, in field order; tuples become lists (what the JSON shows).

        >>> Facets(key="D", mode="major", instruments=("violin",)).known()
        {'key': 'D', 'mode': 'major', 'instruments': ['violin']}
        """
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if value is not None and value != ()
        }

    @classmethod
    def from_known(cls, known: Mapping[str, Any]) -> Facets:
        """Inverse of :meth:`known`."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in known.items()}
        return cls(**values)


@dataclass(frozen=True)
class Place:
    """A stretch of a piece. Bars count from 0 and ``end_bar`` is exclusive; None where there are no bars."""

    start_s: float
    end_s: float
    start_bar: int | None = None
    end_bar: int | None = None


def bars_named(first: int, last: int, of: str = "") -> str:
    """Bars from ``first`` up to ``last``, from 0, as a person counts them.

    >>> bars_named(4, 8), bars_named(7, 8), bars_named(7, 8, " of 12")
    ('bars 5-8', 'bar 8', 'bar 8 of 12')
    """
    return (f"bar {last}" if last - first <= 1 else f"bars {first + 1}-{last}") + of


@dataclass(frozen=True)
class Window:
    """What an encoder reads at once.

    Attributes:
        tokens: int16 [n, 8] octuples, float32 [frames, mels] log-mel, or int64 [n] token ids.
        place: Where in the piece.
    """

    tokens: np.ndarray
    place: Place


@dataclass(frozen=True)
class Stream:
    """What every encoder returns and the shared transformer takes, in any combination.

    Attributes:
        states: float [B, T, d].
        mask: bool [B, T], True where ``states`` holds something.
        modality: Which encoder it came from.
        position: int64 [B, T], place on the common time base (bars, or half seconds for recordings);
            None for streams without time (text, facets).
    """

    states: torch.Tensor
    mask: torch.Tensor
    modality: Modality
    position: torch.Tensor | None = None


@dataclass(frozen=True)
class Embedded:
    """One item as vectors, ready for the library.

    Attributes:
        item: What was embedded.
        facets: Its measured facts.
        piece: float32 [d], unit length.
        windows: float32 [w, d], unit length, one row a place.
        places: The w places.
        heard: Logits of the named sounds, float32 [1 + w, 527], of a recording and its windows; None of other pieces.
        chroma: uint8 [n, 12] of a recording (:mod:`mmbert.audio.chroma`); None of other pieces.
    """

    item: Item
    facets: Facets
    piece: np.ndarray
    windows: np.ndarray
    places: tuple[Place, ...]
    heard: np.ndarray | None = None
    chroma: np.ndarray | None = None


@dataclass(frozen=True)
class HeardSound:
    """A sound that is heard in a recording, an estimate.

    Attributes:
        name: As AudioSet has it: an instrument, a genre, speech, anything.
        probability: In [0, 1].
    """

    name: str
    probability: float


@dataclass(frozen=True)
class Tag:
    """Words that lie near to a piece.

    Attributes:
        words: As people say it.
        statements: What they state, of ``mmbert.facets.TOKENS``; key and mode may be said at once.
        similarity: Cosine of the piece's vector and the words'.
        z: How much nearer they are than words usually are, in standard deviations over all tags (of a phrase: over
            all phrases); ``mmbert.retrieval.describe`` has the formula.
        agrees: Whether the piece's facts say the same; where not, they say nothing about it.
    """

    words: str
    statements: tuple[str, ...]
    similarity: float
    z: float
    agrees: bool


@dataclass(frozen=True)
class Description:
    """A piece in words.

    Attributes:
        id: The piece's uid.
        path: Its file; the piece within it is ``number``.
        number: Which piece within the file, from 0.
        kind: ``score``, ``recording`` or ``text``.
        title: From the file, else from its name.
        sentence: Its measured facts as one sentence; moods in it are named as derived.
        tags: The nearest statements, by ``z``. What the facets speak against is not among them.
        phrases: The nearest wordings, by ``z``, one for the same statements.
        left_out: Statements that would have been among the tags, had the facets not spoken against them.
        flaws: What is wrong with a recording; empty where nothing is.
        heard: The sounds that a recording is told by, the most probable first; empty of other pieces.
    """

    id: str
    path: str
    number: int
    kind: Kind
    title: str
    sentence: str
    tags: tuple[Tag, ...]
    phrases: tuple[Tag, ...]
    left_out: tuple[str, ...] = ()
    flaws: str = ""
    heard: tuple[HeardSound, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """All fields under their names."""
        return asdict(self)


Operator = Literal["=", "!=", "<", "<=", ">", ">=", "~"]


@dataclass(frozen=True)
class Condition:
    """One readable condition on a facet, shown to the person as a chip.

    Attributes:
        facet: A field of :class:`Facets`.
        operator: ``=`` (for lists: contains), ``!=``, ``<``, ``<=``, ``>``, ``>=``, ``~`` (text contains).
        value: A string, number or bool of the facet's type.
        words: The words of the question that it was read from; empty for ``--where``.
        hard: True excludes pieces that do not fit; False only prefers those that do.
    """

    facet: str
    operator: Operator
    value: str | float | bool
    words: str = ""
    hard: bool = False

    def __str__(self) -> str:
        value = self.value
        whole = isinstance(value, float) and value.is_integer()  # 4 and 4.0 are one condition
        return f"{self.facet}{self.operator}{int(value) if whole else value}"


@dataclass(frozen=True)
class Query:
    """A question, understood.

    Attributes:
        words: The question as typed; empty for a pure example.
        meaning: The words for the embedding (what the grammar took as a hard exclusion is left out).
        lexical: The words for full text.
        conditions: Filters and preferences read from the words or given by ``where``.
        like: Path, id or item of an example, as shown to the person; None without one.
        mode: What is asked.
    """

    words: str = ""
    meaning: str = ""
    lexical: str = ""
    conditions: tuple[Condition, ...] = ()
    like: str | None = None
    mode: Literal["search", "continue", "accompany", "melody", "same"] = "search"


@dataclass(frozen=True)
class Hit:
    """One answer.

    Attributes:
        id: The piece's uid.
        rank: From 1.
        similarity: Cosine of question and best row, or None where no vector was compared.
        score: Share of random pieces of the library that it beats, 0-1.
        path: The file; the piece within it is ``number``.
        why: True statements about this piece, the reason why it is here, as one sentence.
        versions: Ids of other settings of the same piece, folded into this hit.
    """

    id: str
    rank: int
    similarity: float | None
    score: float
    path: str
    number: int
    title: str
    modality: Kind
    place: Place
    facets: Facets
    why: str
    versions: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The hit as in ``--json``: place flattened, facets as known."""
        out = {
            k: getattr(self, k) for k in ("id", "rank", "similarity", "score", "path", "number", "title", "modality")
        }
        out |= asdict(self.place) | {
            "facets": self.facets.known(),
            "why": self.why,
            "versions": list(self.versions),
        }
        return out


@dataclass(frozen=True)
class TuneHit(Hit):
    """A piece that a tune is found in, or one that sounds like another.

    Attributes:
        transposed_by: Semitones that bring the piece to the pitch of what was asked for.
        stretched_by: Factor that brings the piece's note lengths to those of what was asked for, of a tune in quarter
            notes, of sound in seconds; None where a tune has none, or one of both is a score whose tempo is unknown.
    """

    transposed_by: int = 0
    stretched_by: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The hit as in ``--json``, with both."""
        return super().to_json() | {"transposed_by": self.transposed_by, "stretched_by": self.stretched_by}


@dataclass(frozen=True)
class PhraseHit(Hit):
    """A piece with a phrase that goes on from a melody, or that accompanies it. ``place`` is where the phrase lies.

    Attributes:
        similarity: Inner product of the two phrases' vectors.
        transposed_by: Semitones that bring the phrase into the melody's key, in the octave that lies nearest to it.
        stretched_by: Factor that brings the phrase's note lengths, in seconds, to the melody's tempo; None where
            either file states none.
        played_by: What plays the phrase, as its file names it, fullest part first.
    """

    transposed_by: int = 0
    stretched_by: float | None = None
    played_by: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The hit as in ``--json``, with these three."""
        more = {"transposed_by": self.transposed_by, "stretched_by": self.stretched_by}
        return super().to_json() | more | {"played_by": list(self.played_by)}


@dataclass(frozen=True)
class Answer:
    """All hits of one question.

    Attributes:
        query: The question, understood.
        hits: Best first; filled even when nothing fits.
        nothing_fits: True where nothing answers the question; the rule is that of ``mmbert.retrieval.calibrate``.
        total: Pieces in the library that were open to the question.
        notice: What the person should know of how the question was read; mostly empty.
    """

    query: Query
    hits: tuple[Hit, ...]
    nothing_fits: bool = False
    total: int = 0
    notice: str = ""

    def to_json(self) -> dict[str, Any]:
        """``{query, understood, nothing_fits, notice, hits}``."""
        return {
            "query": self.query.words or self.query.like or "",
            "understood": [asdict(c) for c in self.query.conditions],
            "nothing_fits": self.nothing_fits,
            "notice": self.notice,
            "hits": [h.to_json() for h in self.hits],
        }
