"""The commands that need nothing but the library: search, show, describe, embed."""
