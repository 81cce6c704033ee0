"""What a message is: ids, keys, the exact text, and the rules by which messages are believed."""
