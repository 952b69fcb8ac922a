"""What a recording says: one run through its sound, what a network hears in it, and its windows."""
