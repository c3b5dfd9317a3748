"""What all tests share: no network, no display, and one tiny session."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["MPLBACKEND"] = "Agg"

import pytest


@pytest.fixture(scope="session")
def session():
    """The tiny model, loaded once; a test that changes it has to change it back."""
    import ltx_nb

    return ltx_nb.load("tiny")
