"""Offline jobs: scan, read, embed, write, verify; resumable."""
