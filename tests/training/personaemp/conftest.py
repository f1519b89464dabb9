from tests.memory.conftest import empty_home, ledger, memory_config, postgres_url

__all__ = ["empty_home", "ledger", "memory_config", "postgres_url"]
