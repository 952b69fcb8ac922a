"""From the folder in which Gradio stores what is sent to it, to a file that was read."""

from __future__ import annotations

from pathlib import Path

from mmbert.errors import UsageError
from mmbert_ui.uploads import Upload, Uploads


def taken_in(uploads: Uploads, folder: Path, path: str | None, *, as_melody: bool = False) -> Upload:
    """Read a file that Gradio stored, and delete it there.

    Args:
        uploads: Where what was read is kept.
        folder: The one that Gradio stores in.
        path: As Gradio's upload route answered, or as anybody says that it did.
        as_melody: Of a recording the notes of its tune are wanted, in free time.

    Raises:
        UsageError: the path is none of an uploaded file.
        ItemError: as :meth:`mmbert_ui.uploads.Uploads.add`.
        BusyError: the same.
    """
    if not path:
        raise UsageError("The file", "did not arrive", "Choose it again")
    stored = Path(path).resolve()
    if not stored.is_relative_to(folder.resolve()) or not stored.is_file():
        raise UsageError("The file", "was not uploaded here", "Choose it again")
    try:
        return uploads.add(stored, stored.name, as_melody=as_melody)
    finally:
        stored.unlink(missing_ok=True)
