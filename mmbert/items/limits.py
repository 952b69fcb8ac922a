"""Bounds on what is read: the one place. Files are strangers' files; no reader allocates what a header claims."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Upper bounds, all inclusive. Beyond one of them an item is refused with a code ending in ``_LIMIT``.

    Attributes:
        file_bytes: A file of notes or text as it lies on disk.
        midi_bytes: A MIDI file; a million notes take half of it.
        messages: Texts, tempi and other messages of a MIDI file that are no channel's.
        recording_bytes: A recording as it lies on disk.
        recording_seconds: Length of a recording.
        recording_channels: Channels of a recording.
        notes: Notes of one piece, repeats played.
        bars: Bars of one piece, repeats played.
        quarters: Length of one piece in quarter notes, repeats played.
        seconds: Length of one piece in seconds.
        tracks: Tracks that a MIDI header may claim; parts of MusicXML; voices of ABC.
        map_events: Tempo, metre and key changes of one piece.
        unpacked_bytes: What a compressed MusicXML file may unpack to.
        unpacked_ratio: Unpacked bytes over packed bytes of a member, where that is over ``ratio_from`` bytes.
        ratio_from: Members below this size may be as well packed as they like.
        members: Files within a compressed MusicXML file.
        xml_depth: Nesting of XML elements.
        xml_elements: XML elements of one file.
        tunes: Tunes of one ABC book.
        tune_bytes: Text of one ABC tune.
        part_order: Sections that the part order of an ABC tune may unfold to.
        text_bytes: A description beside a piece, or a text of its own; the rest of a longer one is not read.
        text_chunks: Passages of a text that the model reads, evenly spaced where it has more.
        words: Characters of a title, composer, form, collection or album; the rest is cut.
    """

    file_bytes: int = 64 * MIB
    midi_bytes: int = 16 * MIB
    messages: int = 500_000
    recording_bytes: int = 16 * 1024 * MIB
    recording_seconds: float = 24 * 3600.0
    recording_channels: int = 32
    notes: int = 1_000_000
    bars: int = 30_000
    quarters: int = 200_000
    seconds: float = 24 * 3600.0
    tracks: int = 512
    map_events: int = 50_000
    unpacked_bytes: int = 64 * MIB
    unpacked_ratio: float = 200.0
    ratio_from: int = MIB
    members: int = 100
    xml_depth: int = 64
    xml_elements: int = 1_500_000
    tunes: int = 50_000
    tune_bytes: int = MIB // 4
    part_order: int = 1000
    text_bytes: int = 64 * 1024
    text_chunks: int = 32
    words: int = 500


LIMITS = Limits()
