"""What a sweep is made of: its points, their answers, the workers, and the file that keeps all."""
