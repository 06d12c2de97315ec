"""One training iteration: forward, backward, optimizer, and the bytes that wait between them."""
