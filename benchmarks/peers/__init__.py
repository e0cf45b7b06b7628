"""What we are measured against; each peer has requirements and a virtual environment of its own."""
