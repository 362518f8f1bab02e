"""Helpers for every room, which know no other room: error texts, hints, source digests, atomic files, memory."""
