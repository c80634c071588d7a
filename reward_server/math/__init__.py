"""Decides whether two mathematical answers mean the same."""
