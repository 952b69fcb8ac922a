"""What a file is: ``load_items(path)`` gives its pieces, ``write_midi`` writes one.

| format | suffixes | read by |
|---|---|---|
| MIDI | .mid .midi .kar .rmi | symusic, behind our own check of the chunks (:mod:`mmbert.items.midi`) |
| MusicXML | .musicxml .xml .mxl | our own reader (:mod:`mmbert.items.musicxml`) |
| ABC | .abc | our own reader (:mod:`mmbert.items.abc`) |
| recordings | .wav .flac .ogg .opus .mp3 .aif .aiff .m4a | soundfile (:mod:`mmbert.items.recording`) |
| text | .txt | the description of the piece of that stem, else a piece itself (:mod:`mmbert.items.text`) |
"""

from __future__ import annotations

from mmbert.items.limits import LIMITS, Limits
from mmbert.items.midi_write import write_midi
from mmbert.items.reader import SUFFIXES, load_items
from mmbert.items.text import no_piece

__all__ = ["LIMITS", "SUFFIXES", "Limits", "load_items", "no_piece", "write_midi"]
