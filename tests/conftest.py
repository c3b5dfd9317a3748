"""What all tests share: no network, and one tiny session."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest


@pytest.fixture(scope="session")
def session():
    """The tiny model, loaded once; a test that changes it has to change it back."""
    import ltx_nb

    return ltx_nb.load("tiny")


def make_random_session():
    """The tiny model's architecture with random weights, every time the same."""
    from ltx_nb.catalogue.models import TINY
    from ltx_nb.pipeline.blocks import ClipBlocks
    from ltx_nb.pipeline.session import Session
    from ltx_nb.tiny.architecture import pipeline

    pipe = ClipBlocks().init_pipeline()
    components = {name: value for name, value in pipeline().components.items() if value is not None}
    pipe.update_components(**components)
    for component in pipe.components.values():
        if hasattr(component, "eval"):
            component.eval()
    return Session(pipe, TINY)


@pytest.fixture(scope="session")
def random_session():
    """Random weights: what a test proves with them does not hang on training."""
    return make_random_session()


@pytest.fixture
def fresh_random_session():
    """Another session of the same weights, that has run nothing."""
    return make_random_session()
