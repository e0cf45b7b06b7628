"""The reference worker's model: learns a style from pictures and paints with it on one CPU core."""
