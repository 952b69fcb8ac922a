"""What a recording says: checks, windows, and later its encoder."""
