"""The tiny model: LTX-2.3's own classes made small and trained on a world of moving shapes that make sounds."""
