"""Questions asked of a library: words to conditions, three ways of looking, one ranking with its reasons."""
