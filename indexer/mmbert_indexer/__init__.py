"""Offline jobs: scan, read, embed, write, verify; resumable.

mmbert_indexer.build.build_library(library, folders, embedder)   a library that holds what lies in its folders
mmbert_indexer.remove.remove_paths(library, paths)               the library without some of them
"""
