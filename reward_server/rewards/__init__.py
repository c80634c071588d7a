"""The parts of a reward, one file each, and their sum."""
