"""What is computed: layers and networks."""
