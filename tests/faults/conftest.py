"""What the tests of faults share with those of memory."""

from tests.memory.conftest import empty_home

__all__ = ["empty_home"]
