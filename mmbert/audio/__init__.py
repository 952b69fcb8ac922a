"""What a recording says: its windows, and later its encoder."""
