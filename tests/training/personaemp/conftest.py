from tests.memory.conftest import empty_home, ledger, memory_config

__all__ = ["empty_home", "ledger", "memory_config"]
