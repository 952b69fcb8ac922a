"""What the page says about itself: formats, what words it understands, keys."""

from __future__ import annotations

from mmbert_ui.uploads import MAX_BYTES, MAX_RECORDING_BYTES, MOST_HEARD_S

FORMATS_LINE = (
    f"A file can be MIDI, MusicXML, ABC or plain text, up to {MAX_BYTES // 2**20} MB, or a recording, up to "
    f"{MAX_RECORDING_BYTES // 2**20} MB and {MOST_HEARD_S / 60:.0f} minutes; drop it anywhere on the page. It stays on "
    "this machine."
)
ABOUT = f"""
<section aria-label="About">
<h2>Asking in words</h2>
<p>Write as you would say it: <q>a lively jig in D major</q>, <q>slow four-part hymn in a minor key</q>, <q>Bach</q>,
<q>without drums</q>. What was understood appears as chips above the results. A chip is a wish: pieces that fit come
first, others stay. Click a chip to make it a filter that excludes; its × takes it out of the question.</p>
<h2>Filters and order</h2>
<p>Filters leave pieces out; their values are those of this library. The order arranges all that is found: without words
or an example everything that passes the filters, else the hundred best. What is set shows as chips above the results,
and stands in the page's address: send it, or keep it as a bookmark.</p>
<h2>Asking with a piece</h2>
<p>Choose a file, drop one anywhere on the page, or press <b>More like this</b> on a result. Add words to change
direction: <q>slower</q>, <q>in a minor key</q>.</p>
<table>
<thead><tr><th>Format</th><th>File names end in</th><th>What is read</th></tr></thead>
<tbody>
<tr><td>MIDI</td><td>.mid .midi .kar .rmi</td><td>notes, parts, tempo, metre</td></tr>
<tr><td>MusicXML</td><td>.musicxml .xml .mxl</td><td>notes, parts, tempo, title, composer; no repeats played</td></tr>
<tr><td>ABC</td><td>.abc</td><td>notes, repeats played, title, rhythm; the first tune of a book</td></tr>
<tr><td>Recording</td><td>.wav .flac .ogg .opus .mp3 .aif</td><td>title, artist, album, what a network hears in it,
its harmony, its length</td></tr>
<tr><td>Text</td><td>.txt</td><td>words: music like them is found</td></tr>
</tbody></table>
<p>Files up to {MAX_BYTES // 2**20} MB, recordings up to {MAX_RECORDING_BYTES // 2**20} MB. A dropped file is read,
held in memory for at most an hour and never added to the library; as long as it is held, whoever has the page's address
can ask with it. Nothing on this page is fetched from or sent to another machine.</p>
<h2>Melodies</h2>
<p><b>Complete a melody</b> and <b>Find accompaniment</b> take a file, or what you play: on the piano on the page, with
the computer's keys, or on a MIDI keyboard. What is played is set on a grid of eighths or, where it is quicker,
sixteenths, in the metre and near the tempo that you choose: from the first note on, or on the bars of the metronome.
Notes last until the next one unless you clearly rest. What is found comes from pieces in any key and arrives in yours,
to be heard with your melody and saved as a MIDI file with named tracks; it is kept for an hour. Four bars are asked
about: the last ones where a melody is continued, the first ones where it is accompanied; an accompaniment is as long as
they are. Of a recording of one voice, hummed, sung or played, the tune is taken, at the tempo of its notes, the first
on a bar line of 4/4 or 6/8; another metre can be chosen where it is shown. <b>Find a tune by playing it</b> on the
Search tab says which piece a tune comes from.</p>
<h2>Reading a result</h2>
<p><b>close</b>, <b>related</b> and <b>loose</b> say how a piece ranks against pieces taken at random; hold the pointer
over the word for the numbers. <b>Why</b> is true of that very piece. The box in the roll is the place that fits best,
and Play starts there. A length without a stated tempo counts 120 beats a minute.</p>
<p><b>In words</b> says what a piece is like: its measured facts as a sentence, then the tags and phrases that its
vector is nearest to. z counts standard deviations, so that words which are near to every piece do not come first; what
the facts speak against is left out. Moods are derived from mode, pace, register and density; nobody stated them.</p>
<h2>Recordings</h2>
<p>What is <b>heard</b> in a recording is estimated by a network that knows 527 sounds; it can be wrong, and what it
does not name may be there all the same. The box in the picture is the place that fits best. <b>The score of this
recording</b> and <b>Recordings of this score</b>, in the menu of a result, look for the same harmony in any key, faster
or slower. <b>Record from the microphone</b> takes up to a minute and searches with it. Of a dropped recording the
server keeps what was heard, not its sound.</p>
<h2>Texts</h2>
<p>A text file that is named like a piece describes it. Any other is a piece of its own; results hold texts where you
ask for them, by words or with a piece as the example: <b>Kind: texts</b> under Filters and order.</p>
<h2>Keeping the library up to date</h2>
<p><b>Look for changes</b> on the Library tab reads new and changed files of the folders that the library was built
from. You can search meanwhile, and stop it: what is done is kept.</p>
<h2>Keys</h2>
<dl>
<dt>/</dt><dd>to the search box</dd>
<dt>Enter</dt><dd>search; on a roll: play from the place that fits</dd>
<dt>← →</dt><dd>on a roll: five seconds back or on</dd>
<dt>A W S E …</dt><dd>play, where a piano is open; Z and X shift the octave, <b>Computer keys</b> turns them off</dd>
<dt>← → ↑ ↓</dt><dd>on the piano: a key or an octave lower or higher; Enter plays it</dd>
<dt>↑ ↓</dt><dd>in a card's ⋯ menu</dd>
<dt>Esc</dt><dd>close the menu, stop the sound</dd>
</dl>
</section>
"""
